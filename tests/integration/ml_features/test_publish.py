"""Publishing to a real Redis: all of a version or nothing of it, and what old versions leave behind."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pytest
import redis

from deploy.local.complete_journey import Basket, Line
from shopstream.ml_features.serving.publish import KEYS_A_BATCH, Publisher, view_batches
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import load_rows
from shopstream.schemas import Unavailable
from shopstream.schemas.serving.keys import Keys, Publication, decision_value
from shopstream.schemas.serving.served import ServedConsentState
from shopstream.schemas.serving.views import AFFINITIES, CONSENTS, NIGHTLY, POPULAR, PROFILES, REORDERS, ServedView

from .conftest import refuse

if TYPE_CHECKING:
    from ..conftest import Warehouse
    from .conftest import Load, Run

AS_OF = date(2026, 3, 31)
DATED = [view for view in NIGHTLY if view.dated]
NOW = datetime(2026, 4, 1, 2, tzinfo=UTC)
KEYS = Keys("shop")
REPEATED = ("favourite_categories", "favourite_brands", "favourite_intents", "channels")


@pytest.fixture
def server(own_redis: redis.Redis) -> redis.Redis:
    return own_redis


def affinities(*products: str) -> pa.RecordBatch:
    """A batch of AFFINITIES in which every product goes with bread."""
    items = [[dict(zip(AFFINITIES.columns, (each, "bread", 1, 4, 3, 0.5, 0.25), strict=True))] for each in products]
    return pa.RecordBatch.from_pydict({"served_by": list(products), "items": items})


def published(server: redis.Redis, view: ServedView[Any]) -> Publication:
    packed = server.hget(KEYS.published, view.name)
    assert isinstance(packed, bytes)
    return msgspec.json.decode(packed, type=Publication)


def value(server: redis.Redis, view: ServedView[Any], key: str) -> tuple[Any, ...] | None:
    packed = server.get(KEYS.rows(view.name, published(server, view).version) + key)
    return None if packed is None else view.decode(packed)  # type: ignore[arg-type]


def test_every_view_is_read_as_its_table_has_it(
    warehouse: "Warehouse", settings: FeatureSettings, run_table: "Run", load_baskets: "Load", server: redis.Redis
) -> None:
    lines = tuple(Line(product, "dairy", "dairy maid", 2, Decimal("1.19")) for product in ("bread", "milk", "wine"))
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    load_baskets(
        [
            *(Basket(f"u{n}", f"o{n}", at + timedelta(days=n), lines) for n in range(5)),
            Basket("u1", "later", at + timedelta(days=20), lines[:1]),
        ]
    )
    for table in (
        "reorder_weights",
        "reorders",
        "customer_outlooks",
        "profiles",
        "personas",
        "product_popularity",
        "product_affinities",
        "explorations",
    ):
        run_table(table, AS_OF)
    publisher = Publisher(server, KEYS.prefix)
    for view in DATED:
        done = publisher.publish(view, AS_OF, NOW, view_batches(warehouse.client, settings, view, AS_OF))
        key = f"`{view.key}`" if view.key else "''"
        rows = warehouse.rows(
            f"SELECT *, {key} AS served_by FROM `{{features}}.{view.table.name}` WHERE as_of = DATE '{AS_OF}'"  # noqa: S608
        )
        by_key: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_key.setdefault(str(row.pop("served_by")), []).append(row)
        assert done.switched
        assert done.keys == len(by_key)
        for key, theirs in by_key.items():
            theirs.sort(key=lambda row: [(row[name] is not None, row[name]) for name in view.order_by])
            items = value(server, view, key)
            assert items is not None
            models = (view.model.model_validate(frozen(row)) for row in theirs[: view.most])
            assert items == tuple(view.served(model) for model in models)
    assert {done for done in DATED if published(server, done).keys} >= {PROFILES, REORDERS, POPULAR, AFFINITIES}


def test_who_refuses_by_now_is_not_published_whatever_the_table_was_computed_with(
    warehouse: "Warehouse", settings: FeatureSettings, server: redis.Redis
) -> None:
    row = {"as_of": str(AS_OF), "orders": 1, "searches": 0, "clicks": 0}
    table = warehouse.client.get_table(f"{settings.bigquery_dataset}_features.profiles")
    load_rows(warehouse.client, table, [row | {"user_id": user} for user in ("stays", "refuses")])
    refuse(warehouse, "refuses", NOW)
    publisher = Publisher(server, KEYS.prefix)
    batches = view_batches(warehouse.client, settings, PROFILES, AS_OF)
    assert publisher.publish(PROFILES, AS_OF, NOW, batches).keys == 1
    assert value(server, PROFILES, "stays") is not None
    assert value(server, PROFILES, "refuses") is None
    publisher.publish(CONSENTS, AS_OF, NOW, view_batches(warehouse.client, settings, CONSENTS, AS_OF))
    assert value(server, CONSENTS, "refuses") == (ServedConsentState(purpose="personalization", granted=False),)


def frozen(row: Any) -> Any:
    """As models take it: tuples, and an empty one for the null the emulator gives."""
    if isinstance(row, dict):
        return {name: () if each is None and name in REPEATED else frozen(each) for name, each in row.items()}
    return tuple(frozen(each) for each in row) if isinstance(row, list) else row


def test_a_publication_that_breaks_off_is_never_seen(server: redis.Redis) -> None:
    publisher = Publisher(server, KEYS.prefix)
    publisher.publish(AFFINITIES, AS_OF, NOW, [affinities("milk", "wine")])

    def breaks_off() -> Iterable[pa.RecordBatch]:
        yield affinities(*(f"p{n}" for n in range(2 * KEYS_A_BATCH)))
        raise Unavailable("BigQuery does not answer")

    with pytest.raises(Unavailable, match="BigQuery"):
        publisher.publish(AFFINITIES, AS_OF + timedelta(days=1), NOW + timedelta(days=1), breaks_off())
    assert published(server, AFFINITIES).as_of == AS_OF
    assert value(server, AFFINITIES, "milk") is not None
    publisher.publish(AFFINITIES, AS_OF + timedelta(days=1), NOW + timedelta(days=2), [affinities("milk")])
    assert len(server.keys("shop:rows:*")) == 3  # Two of the version before, one of this.


def test_what_a_killed_publication_left_goes_with_the_next(server: redis.Redis) -> None:
    publisher = Publisher(server, KEYS.prefix)
    publisher.publish(AFFINITIES, AS_OF, NOW, [affinities("milk")])
    killed = "20260401T030000000000"
    server.hset(KEYS.begun, AFFINITIES.name, killed)
    for number in range(3):
        server.set(KEYS.rows(AFFINITIES.name, killed) + str(number), b"")
    done = publisher.publish(AFFINITIES, AS_OF, NOW + timedelta(hours=2), [affinities("milk")])
    assert done.removed_keys == 3
    assert len(server.keys("shop:rows:*")) == 2


def test_two_versions_stay_and_older_ones_go(server: redis.Redis) -> None:
    publisher = Publisher(server, KEYS.prefix)
    for day in range(4):
        later = timedelta(days=day)
        done = publisher.publish(AFFINITIES, AS_OF + later, NOW + later, [affinities("milk", "wine")])
        assert done.removed_keys == (2 if day > 1 else 0)
    assert len(server.keys("shop:rows:*")) == 4
    for key in server.keys("shop:rows:*"):
        assert 0 < server.ttl(key) <= AFFINITIES.seconds


def test_an_earlier_date_does_not_replace_a_later_one(server: redis.Redis) -> None:
    publisher = Publisher(server, KEYS.prefix)
    publisher.publish(AFFINITIES, AS_OF, NOW, [affinities("milk")])
    done = publisher.publish(AFFINITIES, AS_OF - timedelta(days=1), NOW + timedelta(hours=1), [affinities("wine")])
    assert not done.switched
    assert done.removed_keys == 1
    assert value(server, AFFINITIES, "milk") is not None


def test_one_view_is_published_by_one_process_at_a_time(server: redis.Redis) -> None:
    def meanwhile() -> Iterator[pa.RecordBatch]:
        with pytest.raises(Unavailable, match="another process"):
            Publisher(server, KEYS.prefix).publish(AFFINITIES, AS_OF, NOW, [affinities("wine")])
        yield affinities("milk")

    assert Publisher(server, KEYS.prefix).publish(AFFINITIES, AS_OF, NOW, meanwhile()).switched
    assert Publisher(server, KEYS.prefix).publish(AFFINITIES, AS_OF, NOW + timedelta(1), [affinities("wine")]).switched


@pytest.mark.parametrize(("policy", "why"), [("noeviction", "full"), ("volatile-lru", "evicts keys|Redis evicted")])
def test_a_redis_without_room_keeps_what_is_published(server: redis.Redis, policy: str, why: str) -> None:
    publisher = Publisher(server, KEYS.prefix)
    publisher.publish(AFFINITIES, AS_OF, NOW, [affinities("milk")])
    server.config_set("maxmemory-policy", policy)
    server.config_set("maxmemory", server.info("memory")["used_memory"] + 300_000)
    many = [affinities(*(f"p{n}" for n in range(10 * KEYS_A_BATCH)))]
    with pytest.raises(Unavailable, match=why):
        publisher.publish(AFFINITIES, AS_OF, NOW + timedelta(days=1), many)
    assert published(server, AFFINITIES).version == f"{NOW:%Y%m%dT%H%M%S%f}"
    server.config_set("maxmemory", 0)
    assert publisher.publish(AFFINITIES, AS_OF, NOW + timedelta(days=2), many).keys == 10 * KEYS_A_BATCH


def test_decisions_go_once_every_table_was_computed_with_them(server: redis.Redis) -> None:
    place = KEYS.consent("personalization")
    for user, days in (("old", 4), ("decided long ago, noted now", 0), ("new", 1)):
        noted = NOW - timedelta(days=days)
        server.hset(place, user, decision_value(NOW - timedelta(days=30), noted, granted=False))
    Publisher(server, KEYS.prefix).publish(AFFINITIES, AS_OF, NOW, [affinities("milk")])
    assert set(server.hkeys(place)) == {b"new", b"decided long ago, noted now"}
    assert server.get(KEYS.consent_changes) == b"1"
