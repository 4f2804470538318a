"""An order changes within seconds what its user is predicted to buy again, and a session is counted as it goes on."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from deploy.local.stack import LocalStack
from deploy.local.walk import Walk
from shopstream.capture import Capture, interaction, item, order, search
from shopstream.ml_features.catalog import feature_table
from shopstream.ml_features.job import run
from shopstream.ml_features.reader import Features
from shopstream.ml_features.serving.store import FeatureStore
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import ask
from shopstream.pipeline.tables import apply_tables
from shopstream.schemas import read_settings
from shopstream.schemas.serving.served import ServedReorder

NAME = "live_features"
NOW = datetime.now(UTC) - timedelta(minutes=2)
"""Sessions have to be now: live rows are kept and read for three days."""
YESTERDAY = NOW.date() - timedelta(days=1)
T = TypeVar("T")


@contextmanager
def running_job(stack: LocalStack, directory: Path, name: str) -> Iterator[Walk]:
    settings = {
        "BIGQUERY_DATASET": name,
        "PUBSUB_TOPIC": name,
        "PUBSUB_SUBSCRIPTION": f"{name}-pipeline",
        "LIVE_FEATURES_ENABLED": "true",
        "SERVING_CACHE_SECONDS": "0",
        "SERVING_DEADLINE_SECONDS": "60",
    }
    with Walk(stack, directory, settings=settings, duplicate_every=2) as walk:
        yield walk


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(NAME)


@pytest.fixture(scope="module")
def walk(stack: LocalStack, directory: Path) -> Iterator[Walk]:
    with running_job(stack, directory, NAME) as walk:
        settings = read_settings(FeatureSettings, walk.environment)
        bought = [("milk", days) for days in (40, 30, 20)] + [("bread", days) for days in (40, 30, 20, 10)]
        rows = [
            f"('{user}', '{product}', '{user} {days}', 'placed', '{NOW - timedelta(days=days)}', "
            f"'{NOW - timedelta(days=days)}', 1, 1, 'EUR', '{YESTERDAY - timedelta(days=days - 1)}')"
            for user in ("u1", "refuses")
            for product, days in bought
        ]
        place = f"{settings.bigquery_dataset}_features.purchases"
        ask(
            walk.client,
            settings,
            f"INSERT INTO `{place}` (user_id, product_id, order_id, status, ordered_at, known_at, quantity, "  # noqa: S608
            f"unit_price, currency, received_on) VALUES {', '.join(rows)}",
        )
        for table in ("reorder_weights", "reorders", "product_rhythms"):
            run(walk.client, settings, feature_table(table), YESTERDAY, datetime.now(UTC))
        yield walk


@pytest.fixture(scope="module")
def reader(walk: Walk) -> Iterator[Features]:
    settings = read_settings(FeatureSettings, walk.environment)
    with FeatureStore(walk.client, settings) as store:
        yield Features(store, settings)


def sent(walk: Walk, *events: Mapping[str, object]) -> None:
    def give(capture: Capture) -> Iterator[object]:
        for event in events:
            yield capture.track(event)

    walk.send(give, lambda _: None)


def awaited(read: Callable[[], T | None], *, seconds: float = 60) -> T:
    """What is read as soon as there is something; it fails after a minute."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (found := read()) is not None:
            return found
        time.sleep(0.2)
    raise AssertionError("nothing came")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def ordered(user: str, product: str, seconds: float) -> Mapping[str, object]:
    return order(
        order_id=f"{user} now",
        status="placed",
        items=[item(product_id=product, quantity=1, unit_price="1.00")],
        currency="EUR",
        total_amount="1.00",
        user_id=user,
        session_id=f"session of {user}",
        occurred_at=after(seconds),
    )


def test_an_order_changes_the_predictions_of_its_user_within_seconds(walk: Walk, reader: Features) -> None:
    before = {each.product_id: each for each in reader.reorders("u1").rows}
    assert {name: each.purchases for name, each in before.items()} == {"milk": 3, "bread": 4}
    sent(walk, ordered("u1", "milk", 5))
    began = time.monotonic()
    found = awaited(
        lambda: (
            [each for each in reader.reorders("u1").rows if each.purchases == 4 and each.product_id == "milk"] or None
        )
    )
    print(f"the order was in the predictions after {time.monotonic() - began:.1f} s")  # noqa: T201 - for pytest -s
    assert isinstance(found[0], ServedReorder)
    assert found[0].days_since_last < 0.001
    assert found[0].last_purchased_at == after(5)
    assert found[0].probability != before["milk"].probability
    assert [each.rank for each in reader.reorders("u1").rows] == [1, 2]


def test_a_session_is_counted_once_an_event_and_as_the_nightly_job_counts_it(walk: Walk, reader: Features) -> None:
    ids: dict[str, Any] = {"user_id": "u2", "session_id": "s2"}
    sent(
        walk,
        search(query_id="q1", query="milk", product_ids=["milk", "tea"], occurred_at=after(1), **ids),
        interaction(action="impression", product_id="milk", occurred_at=after(1), **ids),
        interaction(action="click", product_id="milk", query_id="q1", position=1, occurred_at=after(2), **ids),
        interaction(action="cart_add", product_id="milk", quantity=3, occurred_at=after(3), **ids),
        interaction(action="cart_add", product_id="tea", occurred_at=after(4), **ids),
        interaction(action="cart_remove", product_id="milk", quantity=1, occurred_at=after(5), **ids),
        interaction(action="cart_remove", product_id="tea", occurred_at=after(6), **ids),
    )

    def whole() -> object | None:
        found = reader.session("u2").row
        return found if found is not None and found.events == 6 else None

    awaited(whole)
    live = reader.session("u2").row
    assert live is not None
    assert (live.searches, live.views, live.clicks, live.cart_adds, live.orders) == (1, 0, 1, 2, 0)
    assert [(line.product_id, line.quantity) for line in live.cart] == [("milk", Decimal(2))]

    settings = read_settings(FeatureSettings, walk.environment)
    run(walk.client, settings, feature_table("sessions"), datetime.now(UTC).date(), datetime.now(UTC))
    (batch,) = ask(walk.client, settings, "SELECT * FROM sessions WHERE session_id = 's2'")
    for name in ("started_at", "ended_at", "searches", "views", "clicks", "cart_adds", "orders"):
        assert getattr(live, name) == batch[name], name
    assert [dict(line) for line in batch["cart"]] == [msgspec.structs.asdict(line) for line in live.cart]


def test_who_refuses_is_not_predicted_live(walk: Walk, reader: Features) -> None:
    decision = {"event_type": "consent", "purpose": "personalization", "granted": False, "policy_version": "v1"}
    sent(walk, {**decision, "user_id": "refuses", "occurred_at": NOW})
    settings = read_settings(FeatureSettings, walk.environment)
    refusing = "SELECT user_id FROM consent_states WHERE NOT granted"
    awaited(lambda: ask(walk.client, settings, refusing) or None)
    sent(walk, ordered("refuses", "milk", 10), ordered("u3", "tea", 20))
    awaited(lambda: reader.reorders("u3").rows or None)
    assert reader.reorders("refuses").rows == ()


def test_where_live_rows_cannot_be_written_events_are_stored_all_the_same(
    walk: Walk, reader: Features, directory: Path
) -> None:
    settings = read_settings(FeatureSettings, walk.environment)
    for name in ("live_sessions", "live_reorders"):
        walk.client.delete_table(f"{settings.bigquery_dataset}_features.{name}", timeout=60, retry=None)
    sent(walk, ordered("u4", "milk", 30))
    stored = "SELECT order_id FROM orders WHERE user_id = 'u4'"
    assert awaited(lambda: ask(walk.client, settings, stored) or None) == [{"order_id": "u4 now"}]
    awaited(lambda: "live features were not written" in (directory / "job.log").read_text() or None)
    apply_tables(walk.client, walk.settings)
    sent(walk, ordered("u5", "tea", 40))
    awaited(lambda: reader.reorders("u5").rows or None)
