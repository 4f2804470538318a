"""How many requests and events a second one collector process takes, over loopback, from clients that wait for answers.

Clients and collector share the machine. Example: make bench-collector
"""

import json
import os
import subprocess
import sys
import tempfile
from itertools import repeat
from random import Random, SystemRandom
from typing import Any

import click

from shopstream.capture.collector.api_keys import new_key

from .capture.events import events as varied
from .http_load import flat_out, post, row_of
from .results import Goal, write

CLIENTS = 8
EVENTS = (1, 50)
EVENT = varied(Random(7))[0]
KEY, KEY_LINE = new_key("benchmark", (), publishable=False, random=SystemRandom())


def measure(port: int, events: int, seconds: float) -> dict[str, Any]:
    """What all the clients together get answered."""
    body = json.dumps(EVENT if events == 1 else [EVENT] * events, separators=(",", ":")).encode()
    request = post("/v1/events", body, X_Api_Key=KEY)
    replies = flat_out(port, repeat(request), clients=CLIENTS, seconds=seconds)
    if wrong := [reply for reply in replies if reply.status != 200]:
        raise click.ClickException(f"not kept: {wrong[0].status} {wrong[0].body[:100]!r}")
    (row,) = row_of("collector", replies, seconds)
    counted = {"events a request": events, "requests/s": row["requests/s"], "events/s": row["requests/s"] * events}
    return counted | {name: row[name] for name in ("p50 ms", "p99 ms")}


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
            rows = [measure(port, events, seconds) for events in EVENTS]
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
