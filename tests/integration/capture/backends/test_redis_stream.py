"""What lies in the stream, and what Redis says when it takes nothing."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import orjson
import pytest
import redis

from shopstream.schemas import Unavailable
from tests.integration.servers import start_redis
from tests.integration.wire import free_port

from .far_ends import FarEnd, RedisEnd


@pytest.fixture
def end(make_far_end: Callable[[str], FarEnd]) -> RedisEnd:
    far_end = make_far_end("redis")
    assert isinstance(far_end, RedisEnd)
    return far_end


def test_an_entry_is_an_event_with_its_type_and_id(end: RedisEnd, events: Any) -> None:
    batch = events.mixed()
    end.backend().send(batch)
    assert end.entries() == [
        {
            b"event_type": record.event_type.encode(),
            b"event_id": orjson.loads(record.document)["event_id"].encode(),
            b"document": record.document,
        }
        for record in batch
    ]


def test_the_stream_keeps_about_its_length_and_forgets_the_oldest(end: RedisEnd, events: Any) -> None:
    end.environment["CAPTURE_REDIS_STREAM_LENGTH"] = "1000"
    backend = end.backend()
    batches = [tuple(events.searches(1000)) for _ in range(4)]
    for batch in batches:
        backend.send(batch)
    kept = [entry[b"document"] for entry in end.entries()]
    # Redis forgets whole nodes of its tree only: stream-node-max-entries is 100 by default.
    assert 1000 <= len(kept) <= 1200
    assert kept == [record.document for batch in batches for record in batch][-len(kept) :]


def test_a_batch_that_meets_full_memory_leaves_no_half_transaction(end: RedisEnd, events: Any) -> None:
    backend = end.backend()
    backend.send(tuple(events.searches(3)))
    end.begin("out of memory")
    end.admin.config_set("maxmemory", end.admin.info("memory")["used_memory"] + 150_000)
    with pytest.raises(Unavailable, match="maxmemory"):
        backend.send(tuple(events.searches(500)))
    end.end("out of memory")
    assert len(end.entries()) == 3


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("out of memory", "lower CAPTURE_REDIS_STREAM_LENGTH"),
        ("read-only", "let REDIS_URL name the primary"),
        ("loading", "this passes"),
        ("wrong type", "name another key"),
        ("unauthorized", "user or password in REDIS_URL"),
        ("denied", "ACL SETUSER"),
        ("hangs", "does not answer in time"),
        ("refused", "cannot be reached"),
    ],
)
def test_every_refusal_says_where_and_what_to_do(end: RedisEnd, events: Any, fault: str, advice: str) -> None:
    backend = end.backend()
    backend.send(tuple(events.searches(1)))
    end.begin(fault)
    for ask in (backend.check, lambda: backend.send(tuple(events.searches(2)))):
        if ask == backend.check and fault == "out of memory":
            continue  # Redis says so to who writes.
        with pytest.raises(Unavailable, match=advice) as raised:
            ask()
        assert f"127.0.0.1:{end.wire.port}" in str(raised.value)


def test_doctor_adds_nothing(end: RedisEnd, events: Any) -> None:
    backend = end.backend()
    backend.check()
    assert end.admin.exists(end.stream) == 0
    backend.send(tuple(events.searches(1)))
    backend.check()
    assert len(end.entries()) == 1


def test_a_password_is_in_no_message(end: RedisEnd) -> None:
    end.environment["REDIS_URL"] = f"redis://:hunter2@127.0.0.1:{end.wire.port}/0"
    with pytest.raises(Unavailable) as raised:
        end.backend().check()
    assert "hunter2" not in str(raised.value)


def test_a_killed_redis_that_comes_back_gets_what_comes_then(end: RedisEnd, events: Any) -> None:
    if not shutil.which("redis-server"):
        pytest.skip("the Redis that REDIS_URL names is not ours to kill")
    port = free_port()
    end.environment["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    batches = [tuple(events.searches(10)) for _ in range(2)]
    backend = end.backend()
    with start_redis(port) as process:
        backend.send(batches[0])
        process.kill()
        process.wait()
        with pytest.raises(Unavailable):
            backend.send(batches[1])
    with start_redis(port):
        backend.send(batches[1])
        reader: Any = redis.Redis(port=port, protocol=2)
        entries = reader.xrange(end.stream)
    assert [fields[b"document"] for _, fields in entries] == [record.document for record in batches[1]]
    assert all(first < second for (first, _), (second, _) in pairwise(entries))
