"""The stream's side of Redis: the later row and decision stay, and an outage costs no decision."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import redis

from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.personal_served import erase_served
from shopstream.pipeline.serve_live import ConsentDecision, LiveServing
from shopstream.schemas import Unavailable, read_settings
from shopstream.schemas.live.live_session import LiveSession
from shopstream.schemas.serving.keys import MOMENT_BYTES, Keys, Publication, moment, time_of
from shopstream.schemas.serving.views import LIVE, LIVE_SESSIONS, PROFILES
from tests.integration.wire import Wire

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = Keys("shopstream")


@pytest.fixture
def wire(own_redis: redis.Redis) -> Iterator[Wire]:
    made = Wire("127.0.0.1", own_redis.connection_pool.connection_kwargs["port"])
    yield made
    made.close()


@pytest.fixture
def serving(wire: Wire) -> Iterator[LiveServing]:
    variables = {"GOOGLE_CLOUD_PROJECT": "shopstream-local", "REDIS_URL": f"redis://127.0.0.1:{wire.port}/0"}
    made = LiveServing(read_settings(PipelineSettings, variables), lambda: AT)
    yield made
    made.close()


def session(user: str | None, events: int, ended_at: datetime = AT) -> LiveSession:
    counts: dict[str, Any] = dict.fromkeys(("searches", "views", "clicks", "cart_adds", "orders"), 0)
    times: dict[str, Any] = dict.fromkeys(("computed_at", "started_at", "ended_at"), ended_at)
    return LiveSession(session_id="s1", user_id=user, events=events, **times, **counts)


def events_of(server: Any, user: str) -> int | None:
    value: bytes | None = server.get(KEYS.rows(LIVE_SESSIONS.name, LIVE) + user)
    return None if value is None else LIVE_SESSIONS.decode(value[MOMENT_BYTES:])[0].events


def decided(server: Any) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = server.hgetall(KEYS.consent("analytics"))
    return {user: value[MOMENT_BYTES : MOMENT_BYTES + 1] for user, value in found.items()}


def decision(user: str, hours: int, granted: bool) -> ConsentDecision:
    return ConsentDecision(user, "analytics", granted, AT + timedelta(hours=hours))


def test_rows_come_twice_and_in_any_order_and_the_latest_stays(serving: LiveServing, own_redis: redis.Redis) -> None:
    assert serving.write(LIVE_SESSIONS, [session("u1", 2), session("u2", 9), session(None, 1)])
    assert serving.write(LIVE_SESSIONS, [session("u1", 2), session("u1", 1), session("u1", 7, AT - timedelta(1))])
    assert (events_of(own_redis, "u1"), events_of(own_redis, "u2")) == (2, 9)
    assert serving.write(LIVE_SESSIONS, [session("u1", 3), session("u1", 1, AT + timedelta(1))])
    assert events_of(own_redis, "u1") == 1
    assert own_redis.hexists(KEYS.published, LIVE_SESSIONS.name)


def test_a_redis_that_was_emptied_is_told_again_what_there_is(serving: LiveServing, own_redis: redis.Redis) -> None:
    assert serving.write(LIVE_SESSIONS, [session("u1", 2)])
    own_redis.flushall()
    own_redis.script_flush()
    assert serving.write(LIVE_SESSIONS, [session("u2", 2)])
    assert own_redis.hexists(KEYS.published, LIVE_SESSIONS.name)
    assert events_of(own_redis, "u2") == 2


def test_of_decisions_the_later_one_counts_and_readers_can_tell_that_there_was_one(
    serving: LiveServing, own_redis: redis.Redis
) -> None:
    serving.decide([decision("u1", 2, granted=False), decision("u1", 1, granted=True)])
    assert decided(own_redis) == {b"u1": b"0"}
    assert own_redis.get(KEYS.consent_changes) == b"1"
    serving.decide([decision("u1", 3, granted=True)])
    assert decided(own_redis) == {b"u1": b"1"}
    assert own_redis.get(KEYS.consent_changes) == b"2"
    for granted in (False, True):  # At one moment: the refusal counts.
        serving.decide([decision("u1", 3, granted=granted)])
        assert decided(own_redis) == {b"u1": b"0"}


@pytest.mark.parametrize("mode", ["cut", "silent"])
def test_while_redis_is_away_rows_are_left_and_decisions_wait(
    serving: LiveServing, own_redis: redis.Redis, wire: Wire, mode: Any
) -> None:
    wire.set(mode)
    assert not serving.write(LIVE_SESSIONS, [session("u1", 2)])
    serving.decide([decision("u1", 1, granted=False)])
    serving.decide([decision("u2", 1, granted=False)])
    wire.set("open")
    assert decided(own_redis) == {}
    serving.decide([])
    assert decided(own_redis) == {b"u1": b"0", b"u2": b"0"}


def test_moments_sort_as_their_times_do_and_give_them_back() -> None:
    times = [AT, AT + timedelta(microseconds=1), datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)]
    moments = [moment(at, then) for at in times for then in (0, 7, 10**9)] + [moment(AT, AT)]
    assert {len(each) for each in moments} == {MOMENT_BYTES}
    assert [time_of(each) for each in sorted(moments[::3][:4])] == sorted(times)


def test_an_erased_user_is_served_nothing_and_nothing_of_the_user_stays(
    serving: LiveServing, own_redis: redis.Redis, wire: Wire
) -> None:
    assert serving.write(LIVE_SESSIONS, [session("u1", 2), session("u2", 2)])
    for version in ("20260301", "20260228", "20260227"):
        for user in ("u1", "u2"):
            own_redis.set(KEYS.rows(PROFILES.name, version) + user, b"")
    publication = Publication("2026-03-01", AT.date(), "20260301", PROFILES.layout, 2, AT, 0, "20260228")
    own_redis.hset(KEYS.published, PROFILES.name, msgspec.json.encode(publication))
    variables = {"GOOGLE_CLOUD_PROJECT": "shopstream-local", "REDIS_URL": f"redis://127.0.0.1:{wire.port}/0"}
    settings = read_settings(PipelineSettings, variables)
    assert erase_served(settings, "u1", AT) == (3, 0)
    assert erase_served(settings, "u1", AT) == (0, 0)
    # What nobody reads any more expires by itself.
    assert own_redis.keys("*:u1") == [KEYS.rows(PROFILES.name, "20260227").encode() + b"u1"]
    assert len(own_redis.keys("*:u2")) == 4
    assert decided(own_redis) == {b"u1": b"0"}
    wire.set("cut")
    with pytest.raises(Unavailable, match="Redis does not answer"):
        erase_served(settings, "u1", AT)
