"""Clients that ask over loopback and wait for the answer: as fast as they get it, or at a rate."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .results import Rows


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    at: float
    """When it was asked, by time.perf_counter()."""
    seconds: float
    status: int
    """0 where there was none."""
    body: bytes

    @property
    def ended(self) -> float:
        """When it was there."""
        return self.at + self.seconds


def get(path: str, **headers: str) -> bytes:
    """The bytes of a GET."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


def post(path: str, body: bytes, **headers: str) -> bytes:
    """The bytes of a POST of JSON."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{lines}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def flat_out(port: int, requests: Iterator[bytes], *, clients: int, seconds: float) -> list[Reply]:
    """What so many clients get answered, each asking again as soon as it has its answer."""

    async def client() -> list[Reply]:
        connection, replies = await _Connection.open(port), []
        while time.perf_counter() < until:
            replies.append(await connection.ask(next(requests), time.perf_counter()))
            if not replies[-1].status:
                connection = await _Connection.open(port)
        connection.close()
        return replies

    async def run() -> list[Reply]:
        found = await asyncio.gather(*(client() for _ in range(clients)))
        return [reply for replies in found for reply in replies]

    until = time.perf_counter() + seconds
    return asyncio.run(run())


def at_rate(
    port: int,
    requests: Iterator[bytes],
    *,
    per_second: float,
    seconds: float,
    meanwhile: Sequence[tuple[float, Callable[[], None]]] = (),
) -> list[Reply]:
    """What is answered to requests at even intervals; one that finds no connection free opens another.

    Seconds count from when a request was due. `meanwhile` is done beside, each after so many seconds.
    """

    async def run() -> list[Reply]:
        free: list[_Connection] = []
        began = time.perf_counter()

        async def one(due: float) -> Reply:
            connection = free.pop() if free else await _Connection.open(port)
            reply = await connection.ask(next(requests), due)
            if reply.status:
                free.append(connection)
            return reply

        async def later(after: float, do: Callable[[], None]) -> None:
            await asyncio.sleep(after)
            await asyncio.to_thread(do)

        beside = [asyncio.create_task(later(after, do)) for after, do in meanwhile]
        asked = []
        for number in range(round(per_second * seconds)):
            due = began + number / per_second
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            asked.append(asyncio.create_task(one(due)))
        replies = await asyncio.gather(*asked)
        await asyncio.gather(*beside)
        for connection in free:
            connection.close()
        return replies

    return asyncio.run(run())


def row_of(name: str, replies: Sequence[Reply], seconds: float) -> Rows:
    """What the replies say: how many a second, how late."""
    took = sorted(reply.seconds for reply in replies)
    return [
        {
            "server": name,
            "requests/s": round(len(took) / seconds),
            "p50 ms": round(took[len(took) // 2] * 1000, 2),
            "p99 ms": round(took[len(took) * 99 // 100] * 1000, 2),
        }
    ]


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "_Connection":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(reader, writer)

    async def ask(self, request: bytes, since: float) -> Reply:
        try:
            self._writer.write(request)
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await self._reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            return Reply(since, time.perf_counter() - since, 0, b"")
        return Reply(since, time.perf_counter() - since, int(head.split(b" ", 2)[1]), body)

    def close(self) -> None:
        self._writer.close()
