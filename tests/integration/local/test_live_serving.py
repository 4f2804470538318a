"""What the running job puts into Redis is what the reader gives, seconds after the event."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import redis

from deploy.local.stack import LocalStack
from deploy.local.walk import Walk
from shopstream.capture import Capture, interaction
from shopstream.ml_features.serving.answer import Answer
from shopstream.ml_features.serving.store import FeatureStore
from shopstream.ml_features.settings import FeatureSettings
from shopstream.schemas import read_settings
from shopstream.schemas.serving.served import ServedLiveSession
from shopstream.schemas.serving.views import LIVE_SESSIONS
from tests.integration.conftest import address_of

NOW = datetime.now(UTC) - timedelta(minutes=2)
NAME = "live_serving"


def cart_add(user: str, product: str, seconds: int) -> dict[str, object]:
    ids: dict[str, Any] = {"user_id": user, "session_id": f"session of {user}"}
    return dict(interaction(action="cart_add", product_id=product, occurred_at=NOW + timedelta(seconds=seconds), **ids))


def decision(user: str, granted: bool, seconds: int) -> dict[str, object]:
    words = {"event_type": "consent", "purpose": "analytics", "policy_version": "v1", "user_id": user}
    return {**words, "granted": granted, "occurred_at": NOW + timedelta(seconds=seconds)}


def awaited(read: Callable[[], Answer[ServedLiveSession]], fits: Callable[[Answer[ServedLiveSession]], bool]) -> None:
    until = time.monotonic() + 60
    while not fits(answer := read()):
        assert time.monotonic() < until, answer
        time.sleep(0.2)


def test_a_session_is_read_from_redis_and_gone_with_a_refusal(
    stack: LocalStack, tmp_path: Path, own_redis: redis.Redis
) -> None:
    settings = {
        "BIGQUERY_DATASET": NAME,
        "PUBSUB_TOPIC": NAME,
        "PUBSUB_SUBSCRIPTION": f"{NAME}-pipeline",
        "LIVE_FEATURES_ENABLED": "true",
        "REDIS_ENABLED": "true",
        "REDIS_URL": address_of(own_redis),
        "SERVING_CACHE_SECONDS": "0",
        "SERVING_REDIS_SECONDS": "5",
    }
    events: list[dict[str, object]] = []

    def give(capture: Capture) -> Iterator[object]:
        while events:
            yield capture.track(events.pop(0))

    with Walk(stack, tmp_path, settings=settings, duplicate_every=2) as walk:
        reading = read_settings(FeatureSettings, walk.environment)
        with FeatureStore(walk.client, reading) as store:
            events += [cart_add("u1", "milk", 1), cart_add("u2", "tea", 1), cart_add("u1", "milk", 2)]
            walk.send(give, lambda _: None)
            awaited(lambda: store.get(LIVE_SESSIONS, "u1"), lambda got: got.source == "redis" and got.row is not None)
            awaited(lambda: store.get(LIVE_SESSIONS, "u1"), lambda got: bool(got.row and got.row.events == 2))
            answer = store.get(LIVE_SESSIONS, "u1")
            assert answer.row is not None
            assert [(line.product_id, line.quantity) for line in answer.row.cart] == [("milk", Decimal(2))]
            events += [decision("u1", granted=False, seconds=5)]
            walk.send(give, lambda _: None)
            awaited(lambda: store.get(LIVE_SESSIONS, "u1"), lambda got: got.source == "redis" and got.row is None)
            assert store.get(LIVE_SESSIONS, "u2").row is not None
