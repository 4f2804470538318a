"""Who refuses is gone with the next run, from every day; the record of who decided what stays and can be asked."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shopstream.ml_features.catalog import catalog, feature_table
from shopstream.ml_features.job import run
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import append_rows, load_rows
from shopstream.schemas import read_settings
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id, raw_table_id

if TYPE_CHECKING:
    from ..conftest import Warehouse
    from .conftest import Run

TODAY = date(2026, 3, 31)
MOMENT = datetime(2026, 3, 31, 12, tzinfo=UTC)


class Shop:
    """Puts events into raw tables, one after the other."""

    def __init__(self, warehouse: "Warehouse", settings: FeatureSettings) -> None:
        self._warehouse, self._settings = warehouse, settings
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def give(self, event_type: str, occurred_at: datetime, **fields: Any) -> None:
        rows = self._rows.setdefault(event_type, [])
        common = {
            "event_id": f"01a1f640-f3c5-79e9-a5b7-{len(rows):012x}",
            "event_type": event_type,
            "schema_version": 1,
            "source": "shop",
            "imported": False,
            **dict.fromkeys(("occurred_at", "received_at", "ingested_at"), occurred_at.isoformat()),
        }
        rows.append(common | fields)
        table = self._warehouse.client.get_table(raw_table_id(self._settings, event_type))
        load_rows(self._warehouse.client, table, rows)

    def search(self, user: str, day: date = TODAY) -> None:
        moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=8)
        ids = {"query_id": f"{user}-{day}", "session_id": f"{user}-{day}", "user_id": user}
        self.give("search", moment, query="milk", normalised_query="milk", page=1, **ids)

    def order(self, user: str, day: date = TODAY) -> None:
        moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=9)
        items = [{"product_id": "milk", "quantity": "1", "unit_price": "1"}]
        ids = {"order_id": f"{user}-{day}", "user_id": user, "session_id": f"{user}-{day}"}
        self.give("order", moment, status="placed", items=items, currency="EUR", total_amount="1", **ids)

    def decide(self, user: str, purpose: str, granted: bool, moment: datetime = MOMENT) -> None:
        self.give("consent", moment, user_id=user, purpose=purpose, granted=granted, policy_version="v1")

    def earlier_run(self, user: str, day: date) -> None:
        """Rows of an earlier run, where a test's customers are too few to make any."""
        values: dict[str, dict[str, Any]] = {
            "customer_outlooks": {
                "horizon_days": 90,
                "order_days": 1,
                "alive_probability": 0.5,
                "return_probability": 0.5,
                "expected_order_days": 1.0,
                "median_order_days": 1,
            },
            "model_reorders": {
                "product_id": "milk",
                "rank": 1,
                "probability": 0.5,
                "probability_7_days": 0.5,
                "purchases": 1,
                "model_version": "v",
            },
            "explorations": {
                "product_id": "tea",
                "rank": 1,
                **dict.fromkeys(("score", "rate", "probability", "popular"), 0.5),
                **dict.fromkeys(("goes_with", "same_buyers", "in_category"), 0.0),
                "source": "popular",
                "buyers": 1,
            },
        }
        for name, row in values.items():
            place = f"{dataset_id(self._settings, Dataset.FEATURES)}.{name}"
            table = self._warehouse.client.get_table(place)
            append_rows(self._warehouse.client, table, [{"as_of": str(day), "user_id": user, **row}])

    def users(self, table: str, dataset: Dataset = Dataset.FEATURES) -> set[str]:
        place = f"{dataset_id(self._settings, dataset)}.{table}"
        rows = self._warehouse.rows(f"SELECT DISTINCT user_id FROM `{place}`")  # noqa: S608 - a test's own words
        return {str(row["user_id"]) for row in rows}


@pytest.fixture
def shop(warehouse: "Warehouse", settings: FeatureSettings) -> Shop:
    return Shop(warehouse, settings)


PERSONAL = {name: table.place.purpose for name, table in catalog().items() if table.place.purpose}


def run_personal(run_table: "Run") -> None:
    for name in PERSONAL:
        run_table(name, TODAY)


def test_who_withdraws_is_gone_from_every_day_with_the_next_run(run_table: "Run", shop: Shop) -> None:
    for user in ("stays", "goes"):
        for day in (TODAY - timedelta(days=40), TODAY):
            shop.search(user, day)
            shop.order(user, day)
    for day in (TODAY - timedelta(days=40), TODAY):
        for name in ("reorder_weights", *PERSONAL):
            run_table(name, day)
    for user in ("stays", "goes"):
        shop.earlier_run(user, TODAY - timedelta(days=40))
    assert {name: shop.users(name) for name in PERSONAL} == {name: {"stays", "goes"} for name in PERSONAL}

    shop.decide("goes", "analytics", granted=False)
    run_personal(run_table)
    for name, purpose in PERSONAL.items():
        assert shop.users(name) == ({"stays"} if purpose == "analytics" else {"stays", "goes"}), name
    shop.decide("goes", "personalization", granted=False)
    run_personal(run_table)
    assert {name: shop.users(name) for name in PERSONAL} == {name: {"stays"} for name in PERSONAL}


def test_who_is_asked_first_is_there_only_after_agreeing(warehouse: "Warehouse", shop: Shop) -> None:
    opt_in = read_settings(FeatureSettings, {**warehouse.environment, "CONSENT_OTHERWISE": "denied"})
    for user in ("agreed", "refused", "silent", "changed"):
        shop.search(user)
        shop.order(user)
        shop.earlier_run(user, TODAY - timedelta(days=1))
    for purpose in ("analytics", "personalization"):
        shop.decide("agreed", purpose, granted=True)
        shop.decide("refused", purpose, granted=False)
        shop.decide("changed", purpose, granted=True)
        shop.decide("changed", purpose, granted=False, moment=MOMENT + timedelta(seconds=1))
    for name in catalog():
        run(warehouse.client, opt_in, feature_table(name), TODAY, datetime.now(UTC))
    assert {name: shop.users(name) for name in PERSONAL} == {name: {"agreed"} for name in PERSONAL}


def test_rows_from_before_shoppers_were_asked_go_too(run_table: "Run", warehouse: "Warehouse", shop: Shop) -> None:
    shop.search("silent")
    run_table("search_outcomes", TODAY)
    assert shop.users("search_outcomes") == {"silent"}
    opt_in = read_settings(FeatureSettings, {**warehouse.environment, "CONSENT_OTHERWISE": "denied"})
    run(warehouse.client, opt_in, feature_table("search_outcomes"), TODAY + timedelta(days=60), datetime.now(UTC))
    assert shop.users("search_outcomes") == set()


def test_what_was_allowed_at_any_time_can_be_asked_after_the_events_have_expired(
    run_table: "Run", warehouse: "Warehouse", settings: FeatureSettings, shop: Shop
) -> None:
    for hours, granted in ((0, True), (5, False), (9, True)):
        shop.decide("u1", "analytics", granted, MOMENT + timedelta(hours=hours))
    run_table("consent_record", TODAY)
    raw = raw_table_id(settings, "consent")
    warehouse.rows(f"DELETE FROM `{raw}` WHERE TRUE")  # noqa: S608 - as above
    shop._rows.clear()

    def allowed(moment: datetime) -> list[object]:
        text = moment.isoformat()
        rows = warehouse.rows(
            "SELECT granted, policy_version, source FROM `{views}.consent_periods` WHERE user_id = 'u1' AND "  # noqa: S608
            f"purpose = 'analytics' AND from_at <= TIMESTAMP '{text}' "
            f"AND (until_at IS NULL OR until_at > TIMESTAMP '{text}')"
        )
        return [(row["granted"], row["policy_version"], row["source"]) for row in rows]

    assert allowed(MOMENT - timedelta(seconds=1)) == []
    assert allowed(MOMENT) == [(True, "v1", "shop")]
    assert allowed(MOMENT + timedelta(hours=6)) == [(False, "v1", "shop")]
    assert allowed(MOMENT + timedelta(days=900)) == [(True, "v1", "shop")]


def test_a_decision_counts_before_it_is_in_the_record(run_table: "Run", shop: Shop) -> None:
    shop.search("goes")
    shop.decide("goes", "analytics", granted=False)
    run_table("search_outcomes", TODAY)
    assert shop.users("search_outcomes") == set()
    assert shop.users("consent_record", Dataset.PRIVACY) == set()
