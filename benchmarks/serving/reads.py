"""One user's twenty features and those of a hundred, read in this process."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any

import msgspec
import redis
import redis.asyncio

from benchmarks.results import Rows
from shopstream.ml_features.serving.store import AsyncFeatureStore, FeatureStore
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import connect

from .features import TWENTY, Twenty, user, values

ROUNDS, READS, READS_OF_MANY, READS_OF_MEMORY = 15, 400, 60, 5_000
MANY = 100
RATIO = "times the bare client's"
BARE = "bare:"
"""What the keys begin with that nobody published."""


def settings_of(redis_port: int, **variables: object) -> FeatureSettings:
    """Settings of a reader whose warehouse is away."""
    return FeatureSettings.model_validate(
        {
            "google_cloud_project": "shopstream-local",
            "bigquery_emulator_host": "http://127.0.0.1:1",
            "redis_enabled": True,
            "redis_url": f"redis://127.0.0.1:{redis_port}/0",
            "serving_cache_seconds": 0,
            **variables,
        }
    )


def put_bare(client: redis.Redis, users: int) -> None:
    """The same values under keys of their own, packed alike."""
    random, pack = Random(2), msgspec.msgpack.Encoder().encode
    for begin in range(0, users, 1000):
        some = {f"{BARE}{user(number)}": pack((Twenty(*values(random)),)) for number in range(begin, begin + 1000)}
        client.mset(some)


def measure(redis_port: int, users: int) -> tuple[Rows, Rows]:
    """The median of each way to read one user and many, and how many times the bare client's it is.

    Ways take turns in short rounds, so that a slow moment of the machine is everybody's; a ratio is the median of the
    rounds'.
    """
    settings = settings_of(redis_port)
    warehouse = connect(settings)
    in_memory = {user(number): values(Random(number)) for number in range(1000)}
    random = Random(3)

    def some(count: int) -> list[str]:
        return [user(random.randrange(users)) for _ in range(count)]

    with (
        redis.Redis(port=redis_port) as client,
        FeatureStore(warehouse, settings) as store,
        FeatureStore(warehouse, settings_of(redis_port, serving_cache_seconds=3600)) as remembering,
    ):
        known = user(1)
        remembering.get(TWENTY, known)
        one = {
            "redis-py GET": (READS, lambda: client.get(BARE + user(random.randrange(users)))),
            "FeatureStore, from Redis": (READS, lambda: store.get(TWENTY, user(random.randrange(users)))),
            "a dict": (READS_OF_MEMORY, lambda: in_memory[known]),
            "FeatureStore, from memory": (READS_OF_MEMORY, lambda: remembering.get(TWENTY, known)),
        }
        many = {
            "redis-py MGET": (READS_OF_MANY, lambda: client.mget([BARE + key for key in some(MANY)])),
            "FeatureStore, from Redis": (READS_OF_MANY, lambda: store.get_many(TWENTY, some(MANY))),
        }
        rows = _compared(one), _compared(many)
    awaited = asyncio.run(_awaited(redis_port, users, settings))
    return [*rows[0], *awaited], rows[1]


async def _awaited(redis_port: int, users: int, settings: FeatureSettings) -> Rows:
    random = Random(4)
    client = redis.asyncio.Redis(port=redis_port)
    async with AsyncFeatureStore(connect(settings), settings) as store:
        ways: dict[str, Callable[[], Awaitable[Any]]] = {
            "redis.asyncio GET": lambda: client.get(BARE + user(random.randrange(users))),
            "AsyncFeatureStore, from Redis": lambda: store.get(TWENTY, user(random.randrange(users))),
        }
        rounds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, read in ways.items():
                took = []
                for _ in range(READS):
                    began = time.perf_counter()
                    await read()
                    took.append(time.perf_counter() - began)
                rounds[name].append(statistics.median(took))
    await client.aclose()
    return _rows(rounds)


def _compared(ways: Mapping[str, tuple[int, Callable[[], Any]]]) -> Rows:
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (reads, read) in ways.items():
            took = []
            for _ in range(reads):
                began = time.perf_counter()
                read()
                took.append(time.perf_counter() - began)
            rounds[name].append(statistics.median(took))
    return _rows(rounds)


def _rows(rounds: Mapping[str, list[float]]) -> Rows:
    """The first way is what the others are compared with."""
    bare = next(iter(rounds.values()))
    return [
        {
            "way": name,
            "p50 µs": round(statistics.median(found) * 1e6, 2),
            RATIO: round(statistics.median(own / other for own, other in zip(found, bare, strict=True)), 3),
        }
        for name, found in rounds.items()
    ]
