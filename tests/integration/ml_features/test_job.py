"""One table for one day, over the wire: the same twice, and never half."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from deploy.local.complete_journey import Basket, Line
from shopstream.ml_features.catalog import Check, feature_table
from shopstream.ml_features.job import CheckFailed, check, run
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import Refused
from shopstream.schemas.decay import decayed

if TYPE_CHECKING:
    from ..conftest import Warehouse
    from .conftest import Load, Run

AS_OF = date(2026, 3, 31)
END = datetime(2026, 4, 1, tzinfo=UTC)
AGES = (0.25, 3.0, 40.5, 89.999, 200.0)


def basket(user: str, number: int, bought_at: datetime, *products: str) -> Basket:
    lines = tuple(Line(product, "dairy", "dairy maid", 1, Decimal("1.19")) for product in products)
    return Basket(user, f"{user}-{number}", bought_at, lines)


@pytest.fixture
def history() -> list[Basket]:
    return [basket("u1", number, END - timedelta(days=age), "milk", "bread") for number, age in enumerate(AGES)]


def stored(warehouse: "Warehouse", table: str) -> list[dict[str, Any]]:
    return sorted(warehouse.rows(f"SELECT * FROM `{{features}}.{table}`"), key=str)  # noqa: S608 - our own names


@pytest.mark.parametrize("table", ["reorder_weights", "reorders", "profiles"])
def test_running_twice_gives_the_same(
    warehouse: "Warehouse", run_table: "Run", load_baskets: "Load", history: list[Basket], table: str
) -> None:
    load_baskets(history)
    run_table("reorder_weights", AS_OF)
    first = run_table(table, AS_OF)
    rows = stored(warehouse, table)
    second = run_table(table, AS_OF)
    assert stored(warehouse, table) == rows
    assert first.rows == second.rows == len(rows) > 0


def test_only_the_partition_of_the_day_is_replaced(
    warehouse: "Warehouse", run_table: "Run", load_baskets: "Load", history: list[Basket]
) -> None:
    load_baskets(history)
    for day in (AS_OF - timedelta(days=1), AS_OF):
        run_table("reorder_weights", day)
        run_table("reorders", day)
    before = stored(warehouse, "reorders")
    load_baskets([basket("u2", 1, END - timedelta(hours=1), "wine")])
    assert run_table("reorders", AS_OF).rows == 3
    after = stored(warehouse, "reorders")
    assert len(after) == len(before) + 1
    assert [row for row in after if row["as_of"] != AS_OF] == [row for row in before if row["as_of"] != AS_OF]


def test_a_failed_check_leaves_the_partition_untouched(
    warehouse: "Warehouse", settings: FeatureSettings, run_table: "Run", load_baskets: "Load", history: list[Basket]
) -> None:
    load_baskets(history)
    run_table("profiles", AS_OF)
    before = stored(warehouse, "profiles")
    load_baskets([basket("u2", 1, END - timedelta(hours=1), "wine")])
    table = feature_table("profiles")
    strict = type(table)(
        table.place,
        table.columns,
        table.query,
        (*table.checks, Check("fail", "there is a second user", "SELECT * FROM candidate WHERE user_id = 'u2'")),
    )
    with pytest.raises(CheckFailed, match=r"2026-03-31 was not replaced: there is a second user \(1 row\)"):
        run(warehouse.client, settings, strict, AS_OF, datetime.now(UTC))
    assert stored(warehouse, "profiles") == before


def test_what_every_check_found_is_kept_with_the_quality_results(warehouse: "Warehouse", run_table: "Run") -> None:
    run_table("profiles", AS_OF)
    rows = warehouse.rows("SELECT rule, value, verdict FROM `{views}.quality_results` WHERE job = 'profiles'")
    assert len(rows) == len(feature_table("profiles").checks)
    assert {row["rule"] for row in rows if row["verdict"] == "breach"} == {"profiles: there is not one row"}


def test_reorders_without_weights_are_refused(run_table: "Run", load_baskets: "Load", history: list[Basket]) -> None:
    load_baskets(history)
    with pytest.raises(CheckFailed, match="run reorder_weights first"):
        run_table("reorders", AS_OF)


def test_a_candidate_is_gone_afterwards_whatever_happened(
    warehouse: "Warehouse", settings: FeatureSettings, run_table: "Run"
) -> None:
    run_table("profiles", AS_OF)
    table = feature_table("profiles")
    broken = type(table)(table.place, table.columns, "-- nothing\nSELECT no_such_column", table.checks)
    with pytest.raises(Refused):
        run(warehouse.client, settings, broken, AS_OF, datetime.now(UTC))
    names = {entry.table_id for entry in warehouse.client.list_tables(f"{settings.bigquery_dataset}_features")}
    assert [name for name in names if "candidate" in name] == []


def test_checks_of_a_stored_partition_name_what_is_wrong(
    warehouse: "Warehouse", settings: FeatureSettings, run_table: "Run", load_baskets: "Load", history: list[Basket]
) -> None:
    load_baskets(history)
    run_table("profiles", AS_OF)
    table = feature_table("profiles")
    assert check(warehouse.client, settings, table, AS_OF) == []
    warehouse.rows("UPDATE `{features}.profiles` SET clicks = -1 WHERE TRUE")
    found = check(warehouse.client, settings, table, AS_OF)
    assert [(finding.verdict, finding.rows) for finding in found] == [("fail", 1)]


def test_weights_are_fitted_on_reorders_whose_thirty_days_have_passed(
    warehouse: "Warehouse", run_table: "Run", load_baskets: "Load"
) -> None:
    """600 users buy milk every ten days; half of them stop, and all bought wine once."""
    history = []
    for user in range(600):
        ages = range(38, 95, 10) if user % 2 else range(8, 95, 10)
        history += [basket(f"u{user}", age, END - timedelta(days=age), "milk") for age in ages]
        history.append(basket(f"u{user}", 0, END - timedelta(days=80), "wine"))
    load_baskets(history)
    earlier = AS_OF - timedelta(days=33)
    run_table("reorder_weights", earlier)
    run_table("reorders", earlier)
    assert run_table("reorder_weights", AS_OF).warnings == ()
    rows = warehouse.rows("SELECT * FROM `{features}.reorder_weights` WHERE as_of = DATE '2026-03-31'")
    assert {row["fitted_pairs"] for row in rows} == {1200}
    assert {row["fitted_bought"] for row in rows} == {300}
    assert {(row["horizon_days"], row["fitted_from"], row["fitted_to"]) for row in rows} == {
        (days, earlier, earlier + timedelta(days=days)) for days in (7, 30)
    }


def test_the_decayed_count_is_that_of_the_stream(
    warehouse: "Warehouse", run_table: "Run", load_baskets: "Load", history: list[Basket]
) -> None:
    load_baskets(history)
    run_table("reorder_weights", AS_OF)
    run_table("reorders", AS_OF)
    expected = sum(decayed(1, (END - each.bought_at) / timedelta(days=1)) for each in history)
    found = {row["decayed_purchases"] for row in stored(warehouse, "reorders")}
    assert all(abs(float(value) - expected) < 1e-9 for value in found)
    assert len(found) == 1
