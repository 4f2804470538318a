"""The reader with a real Redis and a real warehouse, in a thread and awaited: what it gives, from where, and when."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import redis

from deploy.local.stack import LocalStack
from shopstream.ml_features.clock import Clock
from shopstream.ml_features.serving.answer import Answer
from shopstream.ml_features.serving.lookup import PUBLISHED_SECONDS
from shopstream.ml_features.serving.publish import Publisher, view_batches
from shopstream.ml_features.serving.store import AsyncFeatureStore, FeatureStore
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import connect, load_rows
from shopstream.schemas import read_settings
from shopstream.schemas.features import CartLine
from shopstream.schemas.live.live_session import LiveSession
from shopstream.schemas.serving.keys import Keys, Publication, decision_value
from shopstream.schemas.serving.scripts import DECIDE, SET_NEWER
from shopstream.schemas.serving.served import ServedConsentState
from shopstream.schemas.serving.views import (
    AFFINITIES,
    CONSENTS,
    LIVE,
    LIVE_SESSIONS,
    PERSONAS,
    POPULAR,
    PROFILES,
    ServedView,
)
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id
from tests.integration.wire import Wire

from ..conftest import Warehouse, made_warehouse

TODAY = datetime.now(UTC)  # Partitions expire by the real clock.
AS_OF = TODAY.date() - timedelta(days=1)
KEYS = Keys("shopstream")
USERS = tuple(f"u{number}" for number in range(300))
STORES = ("in a thread", "awaited")


def profile(user: str, as_of: date, orders: int) -> dict[str, Any]:
    return {"as_of": as_of.isoformat(), "user_id": user, "orders": orders, "searches": 0, "clicks": 0}


def affinity(product: str, rank: int) -> dict[str, Any]:
    names = ("as_of", "product_id", "other_product_id", "rank", "orders", "users", "order_affinity", "buyer_affinity")
    return dict(zip(names, (AS_OF.isoformat(), product, f"p{rank}", rank, 4, 3, 0.5, 0.25), strict=True))


@pytest.fixture(scope="module")
def shelf(stack: LocalStack) -> Iterator[Warehouse]:
    """A warehouse with profiles of two dates and products that go together."""
    with made_warehouse(stack, "shelf") as warehouse:
        settings = read_settings(FeatureSettings, warehouse.environment)
        place = dataset_id(settings, Dataset.FEATURES)

        def give(table: str, rows: Iterable[dict[str, Any]]) -> None:
            load_rows(warehouse.client, warehouse.client.get_table(f"{place}.{table}"), list(rows))

        before = AS_OF - timedelta(days=1)
        every = [profile(user, day, orders) for day, orders in ((before, 1), (AS_OF, 2)) for user in USERS]
        give("profiles", [*every, profile("gone", before, 1)])
        give("product_affinities", [affinity(product, rank) for product in ("milk", "tea") for rank in (2, 1)])
        yield warehouse


@pytest.fixture
def server(own_redis: redis.Redis) -> redis.Redis:
    return own_redis


@pytest.fixture
def port(server: redis.Redis) -> int:
    return int(server.connection_pool.connection_kwargs["port"])


class Reader:
    """Either store, called alike; a clock that can be put forward, and a wire to Redis and one to the warehouse."""

    def __init__(self, kind: str, shelf: Warehouse, port: int, **variables: str) -> None:
        self.ahead = 0.0
        self.monotonic: Callable[[], float] = time.monotonic
        self.redis_wire = Wire("127.0.0.1", port)
        address = shelf.environment["BIGQUERY_EMULATOR_HOST"].removeprefix("http://")
        self.warehouse_wire = Wire(address.partition(":")[0], int(address.partition(":")[2]))
        environment = {
            **shelf.environment,
            "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{self.warehouse_wire.port}",
            "REDIS_ENABLED": "true",
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_wire.port}/0",
            "SERVING_REDIS_SECONDS": "5",
            "SERVING_DEADLINE_SECONDS": "20",
            "SERVING_CACHE_SECONDS": "0",
            **variables,
        }
        self.settings = read_settings(FeatureSettings, environment)
        clock = Clock(lambda: datetime.now(UTC) + timedelta(seconds=self.ahead), lambda: self.monotonic() + self.ahead)
        client = connect(self.settings)
        self.store: Any
        if kind == "awaited":
            self._loop = asyncio.new_event_loop()
            self.store = AsyncFeatureStore(client, self.settings, clock)
            self._run: Callable[[Any], Any] = self._loop.run_until_complete
        else:
            self.store = FeatureStore(client, self.settings, clock)
            self._run = lambda answer: answer

    def get(self, view: ServedView[Any], key: str = "", **options: Any) -> Answer[Any]:
        answer: Answer[Any] = self._run(self.store.get(view, key, **options))
        return answer

    def get_many(self, view: ServedView[Any], keys: Iterable[str], **options: Any) -> dict[str, Answer[Any]]:
        answers: dict[str, Answer[Any]] = self._run(self.store.get_many(view, keys, **options))
        return answers

    def get_at_once(self, view: ServedView[Any], keys: Sequence[str]) -> list[Answer[Any]]:
        """One call a key, all at the same time."""
        if isinstance(self.store, FeatureStore):
            with ThreadPoolExecutor(len(keys)) as pool:
                return list(pool.map(lambda key: self.store.get(view, key), keys))

        async def asked() -> list[Answer[Any]]:
            return await asyncio.gather(*(self.store.get(view, key) for key in keys))

        return self._loop.run_until_complete(asked())

    def look_again(self) -> None:
        """Let the time pass for which a reader keeps to what it knows of Redis, and a breaker stays open."""
        self.ahead += PUBLISHED_SECONDS + 2

    def close(self) -> None:
        self._run(self.store.close())
        self.redis_wire.close()
        self.warehouse_wire.close()


@pytest.fixture(params=STORES)
def reader(request: pytest.FixtureRequest, shelf: Warehouse, port: int) -> Iterator[Callable[..., Reader]]:
    made: list[Reader] = []

    def make(**variables: str) -> Reader:
        made.append(Reader(request.param, shelf, port, **variables))
        return made[-1]

    yield make
    for each in made:
        each.close()


def publish(server: redis.Redis, shelf: Warehouse, *views: ServedView[Any], now: datetime = TODAY) -> None:
    settings = read_settings(FeatureSettings, shelf.environment)
    for view in views:
        batches = view_batches(shelf.client, settings, view, AS_OF)
        assert Publisher(server, KEYS.prefix).publish(view, AS_OF, now, batches).switched


def of(answer: Answer[Any]) -> tuple[int | None, str, bool]:
    return (answer.row.orders if answer.row else None), answer.source, answer.stale


def test_without_redis_the_warehouse_answers_and_then_the_memory(reader: Callable[..., Reader]) -> None:
    one = reader(REDIS_ENABLED="false", SERVING_CACHE_SECONDS="60")
    answer = one.get(PROFILES, "u1")
    assert (of(answer), answer.as_of, answer.version) == ((2, "warehouse", False), AS_OF, None)
    assert [item.rank for item in one.get(AFFINITIES, "tea").rows] == [1, 2]
    one.warehouse_wire.set("cut")
    one.ahead += 30
    again = one.get(PROFILES, "u1")
    assert of(again) == (2, "warehouse", False)
    assert 30 <= again.age_seconds < 60


def test_redis_answers_with_version_date_and_age(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    published = datetime.now(UTC) - timedelta(hours=1)
    publish(server, shelf, PROFILES, AFFINITIES, now=published)
    one = reader()
    one.warehouse_wire.set("cut")
    answer = one.get(PROFILES, "u1")
    assert (of(answer), answer.as_of) == ((2, "redis", False), AS_OF)
    assert answer.version == f"{published:%Y%m%dT%H%M%S%f}"
    assert 3600 <= answer.age_seconds <= (datetime.now(UTC) - published).total_seconds()
    assert [item.other_product_id for item in one.get(AFFINITIES, "milk").rows] == ["p1", "p2"]


@pytest.mark.parametrize("odd", ["nobody", "gone", "", "u1' OR '1'='1", "ü` \u2028 ", "*", "x" * 10_000, "a\nb\x00c"])
def test_who_is_not_there_has_no_rows(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse, odd: str
) -> None:
    assert reader(REDIS_ENABLED="false").get(PROFILES, odd).rows == ()
    publish(server, shelf, PROFILES)
    answer = reader().get(PROFILES, odd)
    assert (answer.rows, answer.as_of, answer.source) == ((), AS_OF, "redis")


def test_ten_thousand_in_one_call(reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse) -> None:
    publish(server, shelf, PROFILES)
    asked = [*USERS, *(f"nobody-{number}" for number in range(9_700))]
    for one in (reader(), reader(REDIS_ENABLED="false")):
        answers = one.get_many(PROFILES, asked)
        assert list(answers) == asked
        assert sum(len(answer.rows) for answer in answers.values()) == len(USERS)


def test_a_new_version_is_there_for_all_at_once(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PROFILES)
    one = reader()
    before = one.get(PROFILES, "u1").version
    publish(server, shelf, PROFILES, now=TODAY + timedelta(minutes=1))
    assert {answer.version for answer in one.get_many(PROFILES, USERS).values()} == {before}
    one.look_again()
    (after,) = {answer.version for answer in one.get_many(PROFILES, USERS).values()}
    assert after != before


def test_redis_that_dies_is_missed_by_nobody_and_comes_back(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PROFILES)
    one = reader()
    assert one.get(PROFILES, "u1").source == "redis"
    one.redis_wire.set("cut")
    for _ in range(5):
        assert of(one.get(PROFILES, "u2")) == (2, "warehouse", False)
    one.redis_wire.set("open")
    one.look_again()
    assert of(one.get(PROFILES, "u2")) == (2, "redis", False)


def test_a_slow_redis_costs_its_time_three_times_and_is_then_left_alone(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PROFILES)
    one = reader(SERVING_REDIS_SECONDS="0.2")
    one.redis_wire.set("slow", delay_seconds=2)
    one.monotonic = lambda: 0.0  # While no time passes a breaker stays open.
    before = connections(server)
    for _ in range(20):
        assert of(one.get(PROFILES, "u1")) == (2, "warehouse", False)
    assert connections(server) - before == 3


def test_a_value_that_comes_too_late_is_not_taken_for_one_that_is_missing(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PROFILES)
    one = reader(SERVING_REDIS_SECONDS="0.2")
    assert of(one.get(PROFILES, "u1")) == (2, "redis", False)
    one.redis_wire.set("slow", delay_seconds=2)
    assert of(one.get(PROFILES, "u2")) == (2, "warehouse", False)


def test_a_connection_that_was_closed_while_nobody_asked_is_missed_by_nobody(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PROFILES)
    one = reader()
    assert one.get(PROFILES, "u1").source == "redis"
    server.client_kill_filter(_type="normal", skipme=True)
    assert one.get(PROFILES, "u2").source == "redis"


def test_many_that_are_late_together_do_not_say_that_redis_is_gone(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PROFILES)
    one = reader(SERVING_REDIS_SECONDS="0.5")
    assert one.get(PROFILES, "u0").source == "redis"
    one.redis_wire.set("slow", delay_seconds=1)
    assert {answer.source for answer in one.get_at_once(PROFILES, [f"u{n}" for n in range(1, 9)])} == {"warehouse"}
    one.redis_wire.set("open")
    assert one.get(PROFILES, "u9").source == "redis"


def connections(server: redis.Redis) -> int:
    return int(server.info("stats")["total_connections_received"])


def test_where_nobody_answers_what_is_remembered_is_given_and_marked(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PROFILES)
    one = reader(SERVING_DEADLINE_SECONDS="0.5", SERVING_STALE_SECONDS="600")
    assert of(one.get(PROFILES, "u1")) == (2, "redis", False)
    one.redis_wire.set("cut")
    one.warehouse_wire.set("silent")
    one.ahead += 300
    started = time.monotonic()
    answers = one.get_many(PROFILES, ["u1", "u2"])
    assert of(answers["u1"]) == (2, "redis", True)
    assert answers["u1"].age_seconds >= 300
    assert of(answers["u2"]) == (None, "default", False)
    assert time.monotonic() - started < 5  # Its half second, and what a loaded machine adds.
    one.ahead += 600
    assert of(one.get(PROFILES, "u1")) == (None, "default", False)


def test_what_comes_too_late_for_one_is_there_for_the_next(reader: Callable[..., Reader]) -> None:
    one = reader(REDIS_ENABLED="false", SERVING_CACHE_SECONDS="60")
    assert one.get(PROFILES, "u1", seconds=0.001).source == "default"
    deadline = time.monotonic() + 60
    while one.get(PROFILES, "u1", seconds=0).source == "default":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert of(one.get(PROFILES, "u1", seconds=0)) == (2, "warehouse", False)


@pytest.mark.parametrize("broken", ["emptied", "wrong type", "wrong hash", "garbage", "other layout", "evicted", "old"])
def test_what_is_not_as_it_should_be_in_redis_is_read_from_the_warehouse(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse, broken: str
) -> None:
    published = TODAY - timedelta(seconds=PROFILES.seconds) if broken == "old" else TODAY
    publish(server, shelf, PROFILES, now=published)
    (key,) = server.keys("shopstream:rows:profiles:*:u1")
    if broken == "emptied":
        server.flushall()
    elif broken == "wrong type":
        server.delete(key)
        server.lpush(key, "1")
    elif broken == "wrong hash":
        server.set(KEYS.published, "1")
    elif broken == "garbage":
        server.set(key, b"\xc1 no value of ours")
    elif broken == "other layout":
        packed = msgspec.json.decode(server.hget(KEYS.published, "profiles") or b"")
        packed[3] = "another"
        server.hset(KEYS.published, "profiles", msgspec.json.encode(packed))
    elif broken == "evicted":
        server.config_set("maxmemory-policy", "allkeys-random")
        server.hset(KEYS.published, "profiles", _with_fewer_evicted(server))
        server.delete(key)
    assert of(reader().get(PROFILES, "u1")) == (2, "warehouse", False)


def _with_fewer_evicted(server: redis.Redis) -> bytes:
    packed = msgspec.json.decode(server.hget(KEYS.published, "profiles") or b"")
    packed[6] = -1  # Redis has evicted more keys since than by then.
    return msgspec.json.encode(packed)


@pytest.mark.parametrize("url", ["redis://:wrong@127.0.0.1:{}/0", "redis://127.0.0.1:1/0", "redis://127.0.0.1:{}/99"])
def test_a_redis_that_lets_nobody_in_is_no_exception(
    reader: Callable[..., Reader], server: redis.Redis, port: int, url: str
) -> None:
    server.ping()
    assert of(reader(REDIS_URL=url.format(port)).get(PROFILES, "u1")) == (2, "warehouse", False)


def test_who_refuses_is_gone_within_a_second_and_back_with_a_later_decision(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PROFILES, CONSENTS)
    one = reader(SERVING_CACHE_SECONDS="60")
    assert len(one.get(PROFILES, "u1").rows) == 1
    decide = server.register_script(DECIDE)

    def decided(at: datetime, granted: bool) -> int:
        keys = [KEYS.consent("personalization"), KEYS.consent_changes]
        return int(decide(keys=keys, args=["u1", decision_value(at, TODAY, granted=granted)]))

    assert decided(TODAY, granted=False) == 1
    assert decided(TODAY, granted=False) == 0
    assert one.get(CONSENTS, "u1").rows == ()
    one.look_again()
    assert one.get(PROFILES, "u1").rows == ()  # Though it is remembered for a minute.
    assert one.get(CONSENTS, "u1").rows == (ServedConsentState(purpose="personalization", granted=False),)
    assert len(one.get(PROFILES, "u2").rows) == 1
    assert decided(TODAY - timedelta(hours=1), granted=True) == 0
    assert decided(TODAY + timedelta(hours=1), granted=True) == 1
    one.look_again()
    assert len(one.get(PROFILES, "u1").rows) == 1
    assert one.get(CONSENTS, "u1").rows == ()


def test_a_view_without_rows_and_one_for_everyone(
    reader: Callable[..., Reader], server: redis.Redis, shelf: Warehouse
) -> None:
    publish(server, shelf, PERSONAS, POPULAR)
    for one in (reader(), reader(REDIS_ENABLED="false")):
        assert one.get(PERSONAS, "u1").rows == ()
        assert one.get(POPULAR).rows == ()


def session(user: str, ended_at: datetime, events: int) -> LiveSession:
    counts = dict.fromkeys(("searches", "views", "clicks", "cart_adds", "orders"), 0)
    times = dict.fromkeys(("computed_at", "started_at", "ended_at"), ended_at)
    cart = (CartLine(product_id="milk", quantity=Decimal(2)),)
    return LiveSession(session_id="s1", user_id=user, events=events, cart=cart, **times, **counts)  # type: ignore[arg-type]


def test_a_live_row_stays_until_a_later_one_comes_however_often_and_in_whatever_order(
    reader: Callable[..., Reader], server: redis.Redis
) -> None:
    one = reader()
    publish_live(server)
    assert (one.get(LIVE_SESSIONS, "u1").rows, one.get(LIVE_SESSIONS, "u1").source) == ((), "redis")
    set_newer = server.register_script(SET_NEWER)
    key = KEYS.rows(LIVE_SESSIONS.name, LIVE) + "u1"

    def applied(ended_at: datetime, events: int) -> bool:
        value = LIVE_SESSIONS.live_value(session("u1", ended_at, events))
        return bool(set_newer(keys=[key], args=[value, LIVE_SESSIONS.seconds]))

    later = TODAY + timedelta(seconds=1)
    assert applied(TODAY, 3)
    assert not applied(TODAY, 3)
    assert not applied(TODAY - timedelta(seconds=1), 9)
    assert not applied(TODAY, 2)
    assert applied(TODAY, 4)
    assert applied(later, 4)
    answer = one.get(LIVE_SESSIONS, "u1")
    assert (answer.row, answer.source) == (LIVE_SESSIONS.served(session("u1", later, 4)), "redis")
    assert 0 < server.ttl(key) <= LIVE_SESSIONS.seconds


def publish_live(server: redis.Redis) -> None:
    publication = Publication(
        order="",
        as_of=AS_OF,
        version=LIVE,
        layout=LIVE_SESSIONS.layout,
        keys=0,
        published_at=TODAY,
        evicted_keys=0,
        previous_version=None,
    )
    server.hset(KEYS.published, LIVE_SESSIONS.name, msgspec.json.encode(publication))


def test_without_redis_the_latest_live_row_is_read_from_its_table(
    reader: Callable[..., Reader], shelf: Warehouse
) -> None:
    place = f"{dataset_id(shelf.settings, Dataset.FEATURES)}.live_sessions"
    given = [session("live", TODAY, 3), session("live", TODAY, 5), session("live", TODAY - timedelta(hours=1), 9)]
    load_rows(shelf.client, shelf.client.get_table(place), [each.model_dump(mode="json") for each in given])
    answer = reader(REDIS_ENABLED="false").get(LIVE_SESSIONS, "live")
    assert (answer.row, answer.source) == (LIVE_SESSIONS.served(given[1]), "warehouse")


def telling(begin: Callable[..., Any], begun: list[str]) -> Callable[..., Any]:
    def tells(view: ServedView[Any], keys: Sequence[str], take_in: Any) -> Any:
        begun.extend(keys)
        return begin(view, keys, take_in)

    return tells


def test_threads_that_ask_for_the_same_at_once_wait_for_one_of_them(shelf: Warehouse, port: int) -> None:
    one = Reader("in a thread", shelf, port, REDIS_ENABLED="false")
    begun: list[str] = []
    one.store._wire._warehouse.begin = telling(one.store._wire._warehouse.begin, begun)
    answers: list[Answer[Any]] = []
    gate = threading.Barrier(50)

    def ask() -> None:
        gate.wait()
        answers.append(one.get(PROFILES, "u7"))

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [of(answer) for answer in answers] == [(2, "warehouse", False)] * 50
    assert len(begun) < 10
    one.close()


def test_a_caller_that_goes_away_leaves_redis_to_the_others(shelf: Warehouse, server: redis.Redis, port: int) -> None:
    publish(server, shelf, PROFILES)
    one = Reader("awaited", shelf, port)
    one.redis_wire.set("silent")

    async def goes_away() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(one.store.get(PROFILES, "u1"), 0.1)

    for _ in range(4):  # The breaker opens, and the one that tries Redis after that goes away too.
        one._run(goes_away())
        one.look_again()
    one.redis_wire.set("open")
    one.look_again()
    assert of(one.get(PROFILES, "u1")) == (2, "redis", False)
    one.close()


def test_of_a_hundred_awaited_at_once_one_reads(shelf: Warehouse) -> None:
    settings = read_settings(FeatureSettings, shelf.environment)
    begun: list[str] = []

    async def ask() -> list[Answer[Any]]:
        async with AsyncFeatureStore(connect(settings), settings) as store:
            warehouse: Any = store._wire._warehouse
            warehouse.begin = telling(warehouse.begin, begun)
            return await asyncio.gather(*(store.get(PROFILES, "u7") for _ in range(100)))

    assert [of(answer) for answer in asyncio.run(ask())] == [(2, "warehouse", False)] * 100
    assert begun == ["u7"]
