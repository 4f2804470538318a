"""Whose figures may be told, and what of what was written is kept, in the warehouse."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shopstream.ml_features.insight.store import WarehouseStore
from shopstream.ml_features.insight.subjects import NotTold, figures_of_customer, figures_of_segment
from shopstream.ml_features.insight.writer import InsightWriter
from shopstream.ml_features.serving.store import patient_store
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import append_rows
from shopstream.schemas import read_settings
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id
from shopstream.schemas.written_insight import WrittenInsight

from .conftest import refuse

if TYPE_CHECKING:
    from ..conftest import Warehouse
    from .conftest import Run

AS_OF = date(2026, 3, 31)
NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)


def give(warehouse: "Warehouse", settings: FeatureSettings, table: str, *rows: dict[str, Any]) -> None:
    place = warehouse.client.get_table(f"{dataset_id(settings, Dataset.FEATURES)}.{table}")
    append_rows(warehouse.client, place, [{"as_of": str(AS_OF), **row} for row in rows])


def test_figures_are_of_who_allows_it_and_of_segments_that_are_large_enough(
    warehouse: "Warehouse", settings: FeatureSettings
) -> None:
    users = [f"u{n}" for n in range(4)]
    counts = {"searches": 0, "clicks": 0}
    give(warehouse, settings, "profiles", *({"user_id": user, "orders": 7, **counts} for user in users))
    persona = {"window_days": 180, "since": str(AS_OF), "orders": 7}
    give(
        warehouse,
        settings,
        "personas",
        *({"user_id": user, "persona": "top_up" if user != "u3" else "explorer", **persona} for user in users),
    )
    refuse(warehouse, "u2", NOW)

    client = warehouse.client
    with patient_store(client, settings) as store:
        customer = figures_of_customer(settings, store, "u1")
        assert customer.values == {"orders": 7, "searches": 0, "clicks": 0, "persona": "top_up"}
        for user, why in (("u2", "does not allow personalization"), ("nobody", "no profile of nobody")):
            with pytest.raises(NotTold, match=why):
                figures_of_customer(settings, store, user)

    three = read_settings(FeatureSettings, {**warehouse.environment, "AGGREGATES_MINIMUM_USERS": "3"})
    segment = figures_of_segment(client, three, "top_up")
    assert segment.values == {"users": 3, "share_of_users": 0.75, "mean_orders": 7, "persona": "top_up"}
    assert InsightWriter(WarehouseStore(client, three), None).write(segment, "top_up", NOW).source == "template"
    with pytest.raises(NotTold, match="fewer than 3 users are explorer"):
        figures_of_segment(client, three, "explorer")


def test_what_was_written_is_found_for_thirty_days_counts_for_its_day_and_goes_with_its_user(
    warehouse: "Warehouse", settings: FeatureSettings, run_table: "Run"
) -> None:
    store = WarehouseStore(warehouse.client, settings)

    def written(key: str, at: datetime, cost: float, user: str | None) -> WrittenInsight:
        return WrittenInsight(
            written_at=at, key=key * 32, of="customer", user_id=user, model="m", cost=cost, document=f'"{key}"'
        )

    yesterday, long_ago = NOW - timedelta(days=1), NOW - timedelta(days=31)
    for insight in (
        written("a", NOW, 0.25, "u1"),
        written("b", NOW, 0.5, None),
        written("c", yesterday, 4.0, "u2"),
        written("d", long_ago, 8.0, "u2"),
    ):
        store.keep(insight)
    assert [store.found(key * 32, NOW) for key in "abcde"] == ['"a"', '"b"', '"c"', None, None]
    assert store.spent(NOW) == 0.75

    refuse(warehouse, "u1", NOW)
    run_table("explorations", AS_OF)
    assert [store.found(key * 32, NOW) for key in "abc"] == [None, '"b"', '"c"']
