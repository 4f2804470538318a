"""Features for whoever serves a user, from Redis or from the warehouse: in time, and without an exception."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from random import Random
from types import TracebackType
from typing import Any, Self

from google.cloud import bigquery

from shopstream.schemas import Unavailable
from shopstream.schemas.serving.views import EVERYTHING, Item, ServedView

from ..clock import SYSTEM_CLOCK, Clock
from ..settings import FeatureSettings
from .answer import Answer
from .lookup import Lookup
from .redis_client import connect_to_async_redis, connect_to_redis
from .warehouse_rows import WarehouseRows
from .wire import AsyncWire, ThreadWire

PATIENCE_SECONDS = 60.0


class FeatureStore:
    """For threads. Each call gives an answer for each key within its seconds, and raises nothing.

    In this order: what was read less than SERVING_CACHE_SECONDS ago; Redis, where REDIS_ENABLED; the warehouse; what is
    remembered, marked stale; nothing, with the source `default`. Of calls at the same time for the same key one reads.
    A statement that comes too late for its caller is remembered for the next.
    """

    def __init__(self, client: bigquery.Client, settings: FeatureSettings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._lookup = Lookup(settings, clock, Random(), Future)  # noqa: S311 - jitter
        seconds = settings.serving_redis_seconds
        redis_client = connect_to_redis(settings, seconds) if settings.redis_enabled else None
        self._wire = ThreadWire(redis_client, WarehouseRows(client, settings, clock))

    def get(self, view: ServedView[Item], key: str = EVERYTHING, *, seconds: float | None = None) -> Answer[Item]:
        """The rows of a key, within so many seconds; SERVING_DEADLINE_SECONDS where none are given."""
        return self.get_many(view, (key,), seconds=seconds)[key]

    def get_many(
        self, view: ServedView[Item], keys: Iterable[str], *, seconds: float | None = None
    ) -> dict[str, Answer[Item]]:
        """The rows of each key, read at once."""
        steps = self._lookup.find(view, keys, seconds)
        reply: Any = None
        failed: Unavailable | None = None
        while True:
            try:
                step = steps.send(reply) if failed is None else steps.throw(failed)
            except StopIteration as end:
                answers: dict[str, Answer[Item]] = end.value
                return answers
            reply = failed = None
            try:
                reply = getattr(self._wire, step.method)(*step.arguments)
            except Unavailable as error:
                failed = error

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def patient_store(client: bigquery.Client, settings: FeatureSettings) -> FeatureStore:
    """A store that waits for as long as people at a command line do."""
    return FeatureStore(client, settings.model_copy(update={"serving_deadline_seconds": PATIENCE_SECONDS}))


class AsyncFeatureStore:
    """The same for an event loop: of one loop, the one that runs when it is first used."""

    def __init__(self, client: bigquery.Client, settings: FeatureSettings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._lookup = Lookup(settings, clock, Random(), asyncio.Future)  # noqa: S311 - jitter
        seconds = settings.serving_redis_seconds
        redis_client = connect_to_async_redis(settings, seconds) if settings.redis_enabled else None
        self._wire = AsyncWire(redis_client, WarehouseRows(client, settings, clock))

    async def get(self, view: ServedView[Item], key: str = EVERYTHING, *, seconds: float | None = None) -> Answer[Item]:
        """The rows of a key, within so many seconds; SERVING_DEADLINE_SECONDS where none are given."""
        return (await self.get_many(view, (key,), seconds=seconds))[key]

    async def get_many(
        self, view: ServedView[Item], keys: Iterable[str], *, seconds: float | None = None
    ) -> dict[str, Answer[Item]]:
        """The rows of each key, read at once."""
        steps = self._lookup.find(view, keys, seconds)
        reply: Any = None
        failed: Unavailable | None = None
        while True:
            try:
                step = steps.send(reply) if failed is None else steps.throw(failed)
            except StopIteration as end:
                answers: dict[str, Answer[Item]] = end.value
                return answers
            reply = failed = None
            try:
                reply = await getattr(self._wire, step.method)(*step.arguments)
            except Unavailable as error:
                failed = error

    async def close(self) -> None:
        """Give the connections back."""
        await self._wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
