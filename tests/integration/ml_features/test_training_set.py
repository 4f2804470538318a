"""Training sets: features as they were known then, what followed, nobody who can be told, nobody who refused."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from shopstream.ml_features.catalog import feature_table
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.training_set import TRAINING_TABLES, write_training_set
from shopstream.schemas import SettingsError, read_settings

if TYPE_CHECKING:
    from ..conftest import Warehouse
    from .conftest import Run

AS_OF = date(2026, 2, 1)
LONG_AFTER = date(2026, 6, 1)
Written = dict[tuple[str, str | None], dict[str, Any]]


class Shop:
    """Purchases in the warehouse, and training sets of them."""

    def __init__(self, warehouse: "Warehouse", directory: Path) -> None:
        self._warehouse, self._directory = warehouse, directory
        self.settings = read_settings(
            FeatureSettings, {**warehouse.environment, "TRAINING_EXPORT_KEY": "sixteen characters"}
        )

    def buys(self, user: str, product: str, days: int, *, known_days: int | None = None) -> None:
        """Bought so many days after AS_OF, at noon, and known on that day or on another."""
        ordered = datetime.combine(AS_OF, datetime.min.time(), UTC) + timedelta(days=days, hours=12)
        known = ordered if known_days is None else ordered + timedelta(days=known_days - days)
        place = f"{self.settings.bigquery_dataset}_features.purchases"
        self._warehouse.rows(
            f"INSERT INTO `{place}` (user_id, product_id, order_id, status, ordered_at, known_at, quantity, "  # noqa: S608
            f"unit_price, currency, received_on) VALUES ('{user}', '{product}', '{user} {days}', 'placed', "
            f"TIMESTAMP '{ordered.isoformat()}', TIMESTAMP '{known.isoformat()}', 1, 2, 'EUR', '{known.date()}')"
        )

    def training_set(
        self,
        tables: Sequence[str] = ("reorders", "profiles"),
        *,
        days: Sequence[date] = (AS_OF,),
        today: date = LONG_AFTER,
        name: str = "set.ndjson",
        seed: int = 1,
        only: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        path = self._directory / name
        done = write_training_set(
            self._warehouse.client,
            self.settings,
            [feature_table(table) for table in tables],
            days,
            path,
            today=today,
            chance=Random(seed).randbytes,
            only=only,
        )
        content = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        rows: list[dict[str, Any]] = [json.loads(line) for line in content.splitlines()]
        assert done.rows == len(rows)
        return rows


@pytest.fixture
def shop(warehouse: "Warehouse", tmp_path: Path) -> Shop:
    return Shop(warehouse, tmp_path)


def run_all(run_table: "Run", day: date) -> None:
    for name in ("reorder_weights", *TRAINING_TABLES):
        run_table(name, day)


def features_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if not name.startswith("bought_within")} for row in rows]


def test_the_future_moves_answers_and_no_feature(run_table: "Run", shop: Shop) -> None:
    for days in (-40, -20, -1):
        shop.buys("u1", "milk", days)
    shop.buys("u1", "tea", -9)
    shop.buys("u2", "milk", -3)
    run_all(run_table, AS_OF)
    before = shop.training_set()
    assert [row["bought_within_30_days"] for row in before] == [False, False, False]

    shop.buys("u1", "milk", 5)
    shop.buys("u2", "milk", 20)
    shop.buys("u1", "tea", -2, known_days=3)  # happened before, and was known after
    shop.buys("u3", "tea", 4)
    run_all(run_table, AS_OF)  # a back-fill, with the future in the tables
    after = shop.training_set()
    assert features_of(after) == features_of(before)
    answers = {
        (row["purchases"], row["product_id"]): (row["bought_within_7_days"], row["bought_within_30_days"])
        for row in after
    }
    assert answers == {(3, "milk"): (True, True), (1, "tea"): (False, False), (1, "milk"): (False, True)}
    assert {row["profiles_orders"] for row in after} == {1, 4}


def test_an_answer_is_null_while_its_days_are_not_over(run_table: "Run", shop: Shop) -> None:
    shop.buys("u1", "milk", -3)
    shop.buys("u1", "milk", 2)
    run_all(run_table, AS_OF)
    (row,) = shop.training_set(today=AS_OF + timedelta(days=8))
    assert (row["bought_within_7_days"], row["bought_within_30_days"]) == (True, None)
    (row,) = shop.training_set(today=AS_OF + timedelta(days=7))
    assert (row["bought_within_7_days"], row["bought_within_30_days"]) == (None, None)


def test_without_products_a_row_is_a_user_and_an_answer_anything_bought(run_table: "Run", shop: Shop) -> None:
    shop.buys("u1", "milk", -3)
    shop.buys("u1", "tea", -3)
    shop.buys("u1", "wine", 9)
    run_all(run_table, AS_OF)
    (row,) = shop.training_set(("profiles",), days=(AS_OF,))
    assert (row["as_of"], row["orders"]) == (str(AS_OF), 1)
    assert (row["bought_within_7_days"], row["bought_within_30_days"]) == (False, True)


def test_several_dates_are_one_set(run_table: "Run", shop: Shop) -> None:
    shop.buys("u1", "milk", -3)
    later = AS_OF + timedelta(days=10)
    for day in (AS_OF, later):
        run_all(run_table, day)
    rows = shop.training_set(days=(AS_OF, later))
    assert [row["as_of"] for row in rows] == [str(AS_OF), str(later)]
    assert len({row["user_id"] for row in rows}) == 1


def test_a_set_names_nobody_and_leaves_out_who_does_not_allow_it(
    run_table: "Run", warehouse: "Warehouse", shop: Shop, tmp_path: Path
) -> None:
    for user in ("stays", "goes"):
        shop.buys(user, "milk", -1)
    run_all(run_table, AS_OF)
    place = f"{shop.settings.bigquery_dataset}_raw.consents"
    warehouse.rows(
        f"INSERT INTO `{place}` (event_id, event_type, schema_version, occurred_at, user_id, source, received_at, "  # noqa: S608
        "ingested_at, imported, purpose, granted, policy_version) VALUES ('00000000-0000-7000-8000-000000000001', "
        "'consent', 1, '2026-02-02', 'goes', 'shop', '2026-02-02', '2026-02-02', FALSE, 'personalization', FALSE, 'v1')"
    )
    rows = shop.training_set(name="first.ndjson")
    assert len(rows) == 1
    assert "stays" not in json.dumps(rows)
    assert not {"last_purchased_at", "profiles_first_order_at", "profiles_last_order_at"} & rows[0].keys()
    again = shop.training_set(name="second.ndjson.gz", seed=2)
    assert again[0]["user_id"] != rows[0]["user_id"], "two sets cannot be joined"
    assert len(shop.training_set(name="third.ndjson", only=["stays"])) == 1
    with pytest.raises(SettingsError, match="1 of 2 users do not allow this; nothing was written"):
        shop.training_set(name="refused.ndjson", only=["stays", "goes"])
    assert not (tmp_path / "refused.ndjson").exists()


def test_what_cannot_be_written_is_said_and_nothing_is(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="queries is no table of users"):
        shop.training_set(("queries",))
    with pytest.raises(SettingsError, match="there are reorders, customer_outlooks, profiles"):
        shop.training_set(("sessions",))
    with pytest.raises(SettingsError, match="has no rows of 2026-02-01: make them with `shopstream-features backfill"):
        shop.training_set()
    assert list(tmp_path.glob("*.ndjson")) == []
