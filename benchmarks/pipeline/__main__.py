"""`python -m benchmarks.pipeline`: about five minutes."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.results import Goal, write
from deploy.local.stack import LocalStack
from deploy.local.topics import create_topics
from shopstream.pipeline.options import PipelineSettings
from shopstream.schemas import read_settings

from . import core, sinks, whole_job
from .events import lines

BATCH_EVENTS, STREAM_EVENTS, PEER_STREAM_EVENTS = 200_000, 200_000, 3_000
PACKAGES = ("apache-beam", "pydantic", "msgspec", "pyarrow", "google-cloud-bigquery", "bqemulator")


def batch(settings: PipelineSettings, directory: Path) -> list[dict[str, Any]]:
    """The whole job over files of once, four and sixteen times the events, and the peer."""
    rows = []
    for times in (1, 4, 16):
        events = BATCH_EVENTS // 4 * times
        file = directory / f"{times}.ndjson"
        file.write_bytes(b"\n".join(lines(events)))
        seconds = whole_job.batch_seconds(settings, file)
        rows.append(_row("shopstream", events, seconds))
        click.echo(f"batch {events:,}: {seconds:.1f} s", err=True)
        if events == BATCH_EVENTS:
            rows.append(_row("the peer", events, whole_job.peer_batch_seconds(file)))
        file.unlink()
    return rows


def _row(name: str, events: int, seconds: float) -> dict[str, Any]:
    return {
        "whole job, batch, FnApiRunner": name,
        "events": events,
        "seconds": round(seconds, 1),
        "events/s": round(events / seconds),
    }


def streaming(stack: LocalStack) -> list[dict[str, Any]]:
    """The whole job from Pub/Sub on Beam's streaming local runner, and the peer."""
    rates: dict[str, float] = {}
    for name, run, events in (
        ("shopstream, 500 events a message", whole_job.streaming_rate, STREAM_EVENTS),
        ("the peer, one event a message", whole_job.peer_streaming_rate, PEER_STREAM_EVENTS),
    ):
        topic = f"bench-{len(rates)}"
        names = {"PUBSUB_TOPIC": topic, "PUBSUB_SUBSCRIPTION": f"{topic}-pipeline"}
        settings = read_settings(PipelineSettings, {**stack.environment, **names})
        create_topics(settings)
        rates[name] = run(settings, events)
        click.echo(f"streaming, {name}: {rates[name]:,.0f} events/s", err=True)
    return [
        {"whole job, streaming, BundleBasedDirectRunner": name, "events/s": round(rate)} for name, rate in rates.items()
    ]


def goals_of(
    one_core: Sequence[dict[str, Any]],
    batches: Sequence[dict[str, Any]],
    streams: Sequence[dict[str, Any]],
    stored: Sequence[dict[str, Any]],
) -> list[Goal]:
    """What was set out to be reached."""
    share = one_core[-1]["share of pydantic's loop, %"]
    ours = {row["events"]: row for row in batches if row["whole job, batch, FnApiRunner"] == "shopstream"}
    peer = next(row for row in batches if row["whole job, batch, FnApiRunner"] == "the peer")
    times = ours[BATCH_EVENTS]["events/s"] / peer["events/s"]
    streaming_times = streams[0]["events/s"] / streams[1]["events/s"]
    growth = ours[max(ours)]["seconds"] / ours[BATCH_EVENTS]["seconds"]
    appended = min(row["times streaming inserts"] for row in stored if row["into the emulator"] == "Storage Write API")
    return [
        Goal("bytes to rows: share of pydantic's loop, %", 60, share, share >= 60),
        Goal("batch: times the peer", 5, round(times, 1), times >= 5),
        Goal("streaming: times the peer", 50, round(streaming_times, 1), streaming_times >= 50),
        Goal("4 times the events: times the seconds", 4.6, round(growth, 2), growth <= 4.6),
        Goal("Storage Write API: times streaming inserts", 5, appended, appended >= 5),
    ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure the job and write benchmarks/results/pipeline.json.

    Example: python -m benchmarks.pipeline
    """
    one_core = core.measure()
    with tempfile.TemporaryDirectory() as name, LocalStack(Path(name), os.environ) as stack:
        os.environ.update(stack.environment)
        settings = read_settings(PipelineSettings, stack.environment)
        batches = batch(settings, Path(name))
        streams = streaming(stack)
        stored = sinks.measure(settings)
    tables = {"Bytes to rows": one_core, "Batch": batches, "Streaming": streams, "Sinks": stored}
    goals = goals_of(one_core, batches, streams, stored)
    click.echo(str(write("pipeline", "The job", tables, goals, packages=PACKAGES)))


if __name__ == "__main__":
    main()
