"""Reads what a lookup asks for, in a thread or awaited: Redis in the caller, the warehouse beside it."""

import asyncio
import os
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeAlias

import redis
import redis.asyncio

from shopstream.schemas import Unavailable
from shopstream.schemas.serving.keys import Keys
from shopstream.schemas.serving.views import View
from shopstream.schemas.table import PURPOSES, Purpose

from .answer import Answer
from .lookup import State, TakeIn
from .redis_client import redis_translated
from .warehouse_rows import WarehouseRows

Answers: TypeAlias = dict[str, Answer[Any]]
Command: TypeAlias = tuple[str, ...]
Decisions: TypeAlias = dict[Purpose, Mapping[bytes, bytes]]

_EVICTED = re.compile(rb"evicted_keys:(\d+)")


class ThreadWire:
    """For who waits in a thread."""

    def __init__(self, client: redis.Redis | None, warehouse: WarehouseRows) -> None:
        self._client, self._warehouse = client, warehouse
        self._idle = _Idle()

    def state(self, keys: Keys, seconds: float) -> State:
        """What is published, and how Redis is doing."""
        return _state(self._ask(seconds, *_state_commands(keys)))

    def decisions(self, keys: Keys, seconds: float) -> Decisions:
        """Who decided what lately."""
        return _decisions(self._ask(seconds, *_decision_commands(keys)))

    def values(self, keys: Sequence[str], seconds: float) -> list[bytes | None]:
        """The values of keys, None for one that is not there."""
        return _values(self._ask(seconds, _values_command(keys)), keys)

    def warehouse(self, view: View, keys: Sequence[str], take_in: TakeIn, seconds: float) -> Answers:
        """What the warehouse has, if it says so in time; otherwise it is taken in later."""
        future = self._warehouse.begin(view, keys, take_in)
        try:
            answers: Answers = future.result(max(seconds, 0))
        except TimeoutError:
            raise Unavailable("the warehouse does not answer in time") from None
        return answers

    def wait(self, future: "Future[Answers]", seconds: float) -> Answers:
        """What another call found, if it is there in time."""
        try:
            return future.result(max(seconds, 0))
        except TimeoutError:
            return {}

    def close(self) -> None:
        """Give the connections back."""
        self._warehouse.close()
        if self._client is not None:
            while (connection := self._idle.take()) is not None:
                self._client.connection_pool.release(connection)
            self._client.close()

    def _ask(self, seconds: float, *commands: Command) -> list[Any]:
        """On the connection itself, whose reads take a time limit of their own and cost half of the client's."""
        pool = _pool(self._client, seconds)
        with redis_translated():
            if (idle := self._idle.take()) is not None:
                with suppress(redis.ConnectionError):  # Redis closed it while nobody asked; a new one will tell.
                    return self._answers(pool, idle, seconds, commands)
            return self._answers(pool, pool.get_connection(), seconds, commands)

    def _answers(self, pool: Any, connection: Any, seconds: float, commands: Sequence[Command]) -> list[Any]:  # noqa: ANN401
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            replies = [connection.read_response(disable_decoding=True, timeout=seconds) for _ in commands]
        except BaseException:
            connection.disconnect()  # An answer may be under way to nobody.
            pool.release(connection)
            raise
        self._idle.give(connection)
        return replies


class AsyncWire:
    """For who awaits."""

    def __init__(self, client: redis.asyncio.Redis | None, warehouse: WarehouseRows) -> None:
        self._client, self._warehouse = client, warehouse
        self._idle = _Idle()

    async def state(self, keys: Keys, seconds: float) -> State:
        """What is published, and how Redis is doing."""
        return _state(await self._ask(seconds, *_state_commands(keys)))

    async def decisions(self, keys: Keys, seconds: float) -> Decisions:
        """Who decided what lately."""
        return _decisions(await self._ask(seconds, *_decision_commands(keys)))

    async def values(self, keys: Sequence[str], seconds: float) -> list[bytes | None]:
        """The values of keys, None for one that is not there."""
        return _values(await self._ask(seconds, _values_command(keys)), keys)

    async def warehouse(self, view: View, keys: Sequence[str], take_in: TakeIn, seconds: float) -> Answers:
        """What the warehouse has, if it says so in time; otherwise it is taken in later."""
        future = asyncio.wrap_future(self._warehouse.begin(view, keys, take_in))
        try:
            answers: Answers = await asyncio.wait_for(asyncio.shield(future), max(seconds, 0))
        except TimeoutError:
            raise Unavailable("the warehouse does not answer in time") from None
        return answers

    async def wait(self, future: "asyncio.Future[Answers]", seconds: float) -> Answers:
        """What another call found, if it is there in time."""
        try:
            return await asyncio.wait_for(asyncio.shield(future), max(seconds, 0))
        except TimeoutError:
            return {}

    async def close(self) -> None:
        """Give the connections back."""
        self._warehouse.close()
        if self._client is not None:
            while (connection := self._idle.take()) is not None:
                await self._client.connection_pool.release(connection)
            await self._client.aclose()

    async def _ask(self, seconds: float, *commands: Command) -> list[Any]:
        pool = _pool(self._client, seconds)
        with redis_translated():
            async with asyncio.timeout(seconds):
                if (idle := self._idle.take()) is not None:
                    with suppress(redis.ConnectionError):  # As above.
                        return await self._answers(pool, idle, commands)
                return await self._answers(pool, await pool.get_connection(), commands)

    async def _answers(self, pool: Any, connection: Any, commands: Sequence[Command]) -> list[Any]:  # noqa: ANN401
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            replies = [await connection.read_response(disable_decoding=True) for _ in commands]
        except BaseException:
            await connection.disconnect(nowait=True)
            await pool.release(connection)
            raise
        self._idle.give(connection)
        return replies


class _Idle:
    """Connections that wait for the next question: a pool would look at each again, in as long as the question takes.

    A forked child has none of its parent's, whose answers it would read.
    """

    def __init__(self) -> None:
        self._connections: deque[Any] = deque()
        self._process = os.getpid()

    def take(self) -> Any:  # noqa: ANN401 - a connection, whose methods have no types, or None
        if self._process != os.getpid():
            self._connections, self._process = deque(), os.getpid()
        try:
            return self._connections.pop()
        except IndexError:
            return None

    def give(self, connection: Any) -> None:  # noqa: ANN401 - as above
        self._connections.append(connection)


def _pool(client: redis.Redis | redis.asyncio.Redis | None, seconds: float) -> Any:  # noqa: ANN401 - has no types
    if client is None or seconds <= 0:
        raise Unavailable("there is no Redis, or no time left for it")
    return client.connection_pool


def _state_commands(keys: Keys) -> tuple[Command, ...]:
    return ("HGETALL", keys.published), ("GET", keys.consent_changes), ("INFO", "stats")


def _state(replies: Sequence[Any]) -> State:
    published, changes, stats = replies
    evicted = _EVICTED.search(bytes(stats))
    return State(_by_name(published), int(changes or 0), int(evicted[1]) if evicted else 0)


def _decision_commands(keys: Keys) -> tuple[Command, ...]:
    return tuple(("HGETALL", keys.consent(purpose)) for purpose in PURPOSES)


def _decisions(replies: Iterable[Any]) -> Decisions:
    return {purpose: _by_name(reply) for purpose, reply in zip(PURPOSES, replies, strict=True)}


def _values_command(keys: Sequence[str]) -> Command:
    # GET refuses a key of another type, which MGET takes for one that is not there.
    return ("GET", keys[0]) if len(keys) == 1 else ("MGET", *keys)


def _values(replies: Sequence[Any], keys: Sequence[str]) -> list[bytes | None]:
    values: list[bytes | None] = list(replies) if len(keys) == 1 else replies[0]
    return values


def _by_name(reply: Any) -> Mapping[bytes, bytes]:  # noqa: ANN401 - a list in version 2 of Redis' protocol
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
