"""How many requests and events a second one collector process takes, over loopback, from clients that wait for answers.

Clients and collector share the machine. Example: make bench-collector
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from random import Random, SystemRandom
from typing import Any

import click

from shopstream.capture.collector.api_keys import new_key

from .capture.events import events as varied
from .results import Goal, write

CLIENTS = 8
EVENTS = (1, 50)
EVENT = varied(Random(7))[0]
KEY, KEY_LINE = new_key("benchmark", (), publishable=False, random=SystemRandom())


def request_of(events: int) -> bytes:
    """The bytes of one request with so many events."""
    body = json.dumps(EVENT if events == 1 else [EVENT] * events, separators=(",", ":")).encode()
    head = f"POST /v1/events HTTP/1.1\r\nHost: a\r\nX-Api-Key: {KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(port: int, request: bytes, until: float) -> list[float]:
    """One client: send, wait for the answer, again; the seconds each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    while (began := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise click.ClickException(f"not kept: {head[:100]!r}")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
    writer.close()
    return took


async def measure(port: int, events: int, seconds: float) -> dict[str, Any]:
    """What all the clients together get answered."""
    request = request_of(events)
    until = time.perf_counter() + seconds
    clients = await asyncio.gather(*(ask(port, request, until) for _ in range(CLIENTS)))
    took = sorted(each for client in clients for each in client)
    return {
        "events a request": events,
        "requests/s": round(len(took) / seconds),
        "events/s": round(len(took) * events / seconds),
        "p50 ms": round(took[len(took) // 2] * 1000, 2),
        "p99 ms": round(took[len(took) * 99 // 100] * 1000, 2),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.1), help="Of requests a row.")
def main(seconds: float) -> None:
    """Measure a collector of its own and write benchmarks/results/collector.json.

    Example: python -m benchmarks.collector --seconds 5
    """
    with tempfile.TemporaryDirectory() as directory:
        settings = {
            "CAPTURE_SPOOL_DIRECTORY": directory,
            "CAPTURE_SPOOL_MAX_BYTES": str(8 * 2**30),
            "CAPTURE_PUBSUB_ENABLED": "false",
            "CAPTURE_COLLECTOR_PORT": "0",
            "CAPTURE_COLLECTOR_KEYS": KEY_LINE.line(),
            "CAPTURE_COLLECTOR_EVENTS_PER_SECOND": "1e9",
        }
        command = [sys.executable, "-c", "from shopstream.capture.cli import main; main()", "serve", "--json"]
        with subprocess.Popen(
            command, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None  # noqa: S101 - asked for
            port = int(json.loads(process.stdout.readline())["address"].rpartition(":")[2])
            rows = [asyncio.run(measure(port, events, seconds)) for events in EVENTS]
            process.terminate()
    goals = [
        Goal(f"{name} with {row['events a request']} events a request", limit, row[name], row[name] >= limit)
        for row, name, limit in zip(rows, ("requests/s", "events/s"), (1_000, 10_000), strict=True)
    ]
    packages = ("uvicorn", "starlette", "httptools")
    file = write("collector", "The HTTP collector", {"One process, eight clients": rows}, goals, packages=packages)
    click.echo(str(file))


if __name__ == "__main__":
    main()
