"""An experiment's report over the wire: who counts, and for what."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shopstream.ml_features.experiments.report import report
from shopstream.ml_features.experiments.statistics import Group
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import append_rows, load_rows
from shopstream.schemas.experiment import Experiment
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id, raw_table_id

if TYPE_CHECKING:
    from ..conftest import Warehouse

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
AS_OF = date(2026, 3, 31)
EXPERIMENT = Experiment.model_validate(
    {
        "name": "reorders",
        "salt": "s",
        "variants": [{"name": "old"}, {"name": "new"}],
        "planned_users": 100,
        "starts_on": "2026-03-01",
        "outcome_days": 7,
    }
)


class Shop:
    """Users who are shown variants and order."""

    def __init__(self, warehouse: "Warehouse", settings: FeatureSettings) -> None:
        self.warehouse, self.settings = warehouse, settings
        self._rows: dict[str, list[dict[str, Any]]] = {"exposure": [], "order": [], "consent": []}

    def give(self, event_type: str, user: str | None, at: datetime, **fields: Any) -> None:
        rows = self._rows[event_type]
        rows.append(
            {
                "event_id": f"01a1f640-f3c5-79e9-a5b7-{len(rows):012x}",
                "event_type": event_type,
                "schema_version": 1,
                "source": "shop",
                "imported": False,
                "user_id": user,
                **dict.fromkeys(("occurred_at", "received_at", "ingested_at"), at.isoformat()),
                **fields,
            }
        )

    def show(self, user: str | None, variant: str, day: float = 1, **fields: Any) -> None:
        fields = {"experiment": "reorders", "variant": variant, **fields}
        self.give("exposure", user, START + timedelta(days=day), **fields)

    def order(self, user: str, day: float, product: str = "milk", status: str = "placed") -> None:
        items = [{"product_id": product, "quantity": "1", "unit_price": "1"}]
        at = START + timedelta(days=day)
        order_id = f"{user}-{day}"
        self.give("order", user, at, order_id=order_id, status=status, items=items, currency="EUR", total_amount="1")

    def had_bought(self, user: str, product: str = "milk") -> None:
        table = self.warehouse.client.get_table(f"{dataset_id(self.settings, Dataset.FEATURES)}.purchases")
        at = START - timedelta(days=20)
        row = {
            "user_id": user,
            "product_id": product,
            "order_id": f"{user}-before",
            "status": "placed",
            "ordered_at": at.isoformat(),
            "known_at": at.isoformat(),
            "quantity": "1",
            "unit_price": "1",
            "currency": "EUR",
            "received_on": str(at.date()),
        }
        append_rows(self.warehouse.client, table, [row])

    def refuse(self, user: str) -> None:
        self.give("consent", user, START, purpose="analytics", granted=False, policy_version="v1")

    def load(self) -> None:
        for event_type, rows in self._rows.items():
            load_rows(
                self.warehouse.client,
                self.warehouse.client.get_table(raw_table_id(self.settings, event_type)),
                rows,
            )


@pytest.fixture
def shop(warehouse: "Warehouse", settings: FeatureSettings) -> Shop:
    return Shop(warehouse, settings)


def test_who_counts_and_for_what(shop: Shop) -> None:
    # Ordered again what had been bought before; ordered something else; ordered too early, too late, or took it back.
    for user in ("again", "else", "early", "late", "nothing"):
        shop.show(user, "old")
        shop.had_bought(user)
    shop.order("again", 2)
    shop.order("else", 2, "tea")
    shop.order("early", 0.5)
    shop.order("late", 8.5)
    shop.order("nothing", 3, status="cancelled")
    # What is bought twice after the exposure was not bought before it.
    shop.show("twice", "new")
    shop.order("twice", 2)
    shop.order("twice", 3)
    # The first exposure counts, whenever it is shown again.
    shop.show("seen twice", "new", 1)
    shop.show("seen twice", "new", 9)
    shop.order("seen twice", 10)
    # Nobody known, a machine, another experiment, and who refuses.
    shop.show(None, "new")
    shop.show("bot", "new", traffic="bot")
    shop.show("other", "new", experiment="another")
    shop.show("shy", "new")
    shop.refuse("shy")
    # Of two variants, of one that is not there, and of whom the days are not over.
    shop.show("both", "old")
    shop.show("both", "new", 2)
    shop.show("lost", "strange")
    shop.show("fresh", "new", 28)
    shop.order("fresh", 28.5)
    shop.load()

    found = report(shop.warehouse.client, shop.settings, EXPERIMENT, AS_OF)
    assert found.groups == {
        "conversion": {"old": Group(5, 2), "new": Group(2, 1)},
        "reorder_rate": {"old": Group(5, 1), "new": Group(2, 0)},
    }
    assert (found.waiting, found.mixed, found.unknown) == (1, 1, 1)
    assert found.lifts["conversion"]["new"].difference == pytest.approx(0.1)
    assert found.dealt_out_as_planned


def test_users_lost_by_one_variant_are_told(shop: Shop) -> None:
    for number in range(60):
        shop.show(f"u{number}", "old" if number < 50 else "new")
    shop.load()
    found = report(shop.warehouse.client, shop.settings, EXPERIMENT, AS_OF)
    assert not found.dealt_out_as_planned
    assert found.sample_ratio_chance < 1e-6


def test_an_experiment_nobody_has_seen_has_no_lift(shop: Shop) -> None:
    found = report(shop.warehouse.client, shop.settings, EXPERIMENT, AS_OF)
    assert found.groups["conversion"] == {"old": Group(0, 0), "new": Group(0, 0)}
    assert not found.lifts["conversion"]["new"].sequential.excludes_zero
