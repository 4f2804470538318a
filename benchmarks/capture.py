"""What `track` costs on the caller's thread, beside the floor: orjson and one append, in the same run.

The event is a search with ten results. Calls are paced at 10,000 a second, as a busy service would make them; the
percentiles are of single calls. Then as many as one thread can make.

Example: make bench-capture
"""

import gc
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
import orjson

from deploy.local.stack import LocalStack
from deploy.local.topics import create_topics
from shopstream.capture import open_capture, search
from shopstream.schemas import CloudSettings, read_settings

from .results import Goal, write

CALLS_PER_SECOND = 10_000
FLAT_OUT_CALLS = 100_000
_DOWN = {"GOOGLE_CLOUD_PROJECT": "shopstream-bench", "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}

Call = Callable[[], object]


# As a service would give it: plain values, nothing filled in.
EVENT: dict[str, Any] = search(
    query_id="0192f3a4-5b6c-7d8e-9f00-112233445566",
    query="organic oat milk 1l",
    product_ids=[f"product-{number:05}" for number in range(10)],
    total_results=214,
    latency_ms=38.2,
    user_id="user-0012345",
    session_id="session-00987654",
    channel="web",
)


def paced(call: Call, seconds: float) -> tuple[float, float]:
    """Median and 99th percentile of a call's own time, in µs, at CALLS_PER_SECOND."""
    step, clock = 1_000_000_000 // CALLS_PER_SECOND, time.perf_counter_ns
    spent = []
    due = clock() + step
    for _ in range(int(seconds * CALLS_PER_SECOND)):
        while clock() < due:
            pass
        before = clock()
        call()
        spent.append(clock() - before)
        due += step
    spent.sort()
    return spent[len(spent) // 2] / 1000, spent[len(spent) * 99 // 100] / 1000


def flat_out(call: Call) -> int:
    """Calls a second of one thread that does nothing else."""
    before = time.perf_counter()
    for _ in range(FLAT_OUT_CALLS):
        call()
    return round(FLAT_OUT_CALLS / (time.perf_counter() - before))


def measured(name: str, call: Call, seconds: float) -> dict[str, Any]:
    """One row of the table."""
    for _ in range(1000):
        call()
    gc.collect()
    median, high = paced(call, seconds)
    row = {"call": name, "p50 µs": round(median, 1), "p99 µs": round(high, 1), "calls/s flat out": flat_out(call)}
    click.echo(f"{name:<42} p50 {median:6.1f} µs   p99 {high:7.1f} µs   {row['calls/s flat out']:>9,}/s", err=True)
    return row


def floor(directory: Path) -> Call:
    """Serialise and append, and nothing else: what any capture that keeps events on disk must pay."""
    descriptor = os.open(directory / "floor", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return lambda: os.write(descriptor, orjson.dumps(EVENT, option=orjson.OPT_APPEND_NEWLINE))


def tracked(name: str, directory: Path, environ: dict[str, str], seconds: float) -> dict[str, Any]:
    """Capture as a service opens it."""
    spool = {"CAPTURE_SPOOL_DIRECTORY": str(directory / name.replace(" ", "-")), "CAPTURE_DRAIN_SECONDS": "0"}
    with open_capture(environ | spool) as capture:
        return measured(name, lambda: capture.track(EVENT), seconds)


def healthy(directory: Path) -> AbstractContextManager[LocalStack]:
    """Our Pub/Sub emulator, in its own process on the same cores."""
    return LocalStack(directory / "stack", {"BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1"})


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.1), help="Of paced calls a row.")
def main(seconds: float) -> None:
    """Measure `track` beside its floor and write benchmarks/results/capture.json.

    Example: python -m benchmarks.capture --seconds 5
    """
    with tempfile.TemporaryDirectory() as name, healthy(Path(name)) as stack:
        directory = Path(name)
        os.environ.update(stack.environment)
        create_topics(read_settings(CloudSettings, stack.environment))
        bare = measured("orjson and one append", floor(directory), seconds)
        rows = [
            measured("an empty call", lambda: None, seconds),
            bare,
            tracked("track, no backend", directory, {"CAPTURE_PUBSUB_ENABLED": "false"}, seconds),
            tracked("track, Pub/Sub healthy", directory, dict(stack.environment), seconds),
            tracked("track, Pub/Sub down", directory, _DOWN, seconds),
        ]
    alone = rows[2]
    ratios = (alone["p50 µs"] / bare["p50 µs"], alone["p99 µs"] / bare["p99 µs"])
    goals = [
        Goal("track's median, as a multiple of the floor's", 3.0, round(ratios[0], 2), ratios[0] <= 3),
        Goal("track's 99th percentile, as a multiple of the floor's", 2.0, round(ratios[1], 2), ratios[1] <= 2),
        Goal(
            "events a second of one thread, no backend",
            100_000,
            alone["calls/s flat out"],
            alone["calls/s flat out"] >= 100_000,
        ),
    ]
    packages = ("pydantic", "orjson", "google-cloud-pubsub")
    file = write("capture", "What `track` costs the caller", rows, goals, packages)
    click.echo(str(file))


if __name__ == "__main__":
    main()
