"""`python -m benchmarks.pipeline`: about five minutes."""

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
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

BATCH_EVENTS, STREAM_EVENTS, PEER_EVENTS = 200_000, 200_000, 3_000
TWO_WORKERS = "shopstream, two workers"
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
        if times > 1:
            seconds = whole_job.batch_seconds(settings, file, workers=2)
            rows.append(_row(TWO_WORKERS, events, seconds))
            click.echo(f"batch {events:,}, two workers: {seconds:.1f} s", err=True)
        if times == 1:
            for name, with_beams_sink in (("the peer", True), ("the peer without its sink", False)):
                seconds = whole_job.peer_batch_seconds(file, with_beams_sink=with_beams_sink)
                rows.append(_row(name, events, seconds))
                click.echo(f"batch, {name}: {seconds:.1f} s", err=True)
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
    taken: dict[str, whole_job.Taken] = {}
    contestants: tuple[tuple[str, Callable[[PipelineSettings, int], whole_job.Taken], int], ...] = (
        ("shopstream, 500 events a message", whole_job.streaming_rate, STREAM_EVENTS),
        ("shopstream as it runs locally, on FnApiRunner", whole_job.streaming_here_rate, STREAM_EVENTS),
        ("the peer, one event a message", partial(whole_job.peer_streaming_rate, with_beams_sink=True), PEER_EVENTS),
        ("the peer without its sink", partial(whole_job.peer_streaming_rate, with_beams_sink=False), PEER_EVENTS),
    )
    for name, run, events in contestants:
        topic = f"bench-{len(taken)}"
        names = {"PUBSUB_TOPIC": topic, "PUBSUB_SUBSCRIPTION": f"{topic}-pipeline"}
        settings = read_settings(PipelineSettings, {**stack.environment, **names})
        create_topics(settings)
        taken[name] = run(settings, events)
        click.echo(f"streaming, {name}: {taken[name].rate:,.0f} events/s", err=True)
    return [
        {
            "whole job, streaming, BundleBasedDirectRunner": name,
            "events/s": round(each.rate),
            "MB more at the end than after a quarter": round(each.grown_mb, 1),
        }
        for name, each in taken.items()
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
    rate = ours[BATCH_EVENTS]["events/s"]
    two = {row["events"]: row for row in batches if row["whole job, batch, FnApiRunner"] == TWO_WORKERS}
    peer, bare = (row["events/s"] for row in batches if row["whole job, batch, FnApiRunner"].startswith("the peer"))
    stream, _, peer_stream, bare_stream = (row["events/s"] for row in streams)
    here = streams[1]
    one_more, two_more = (rows[max(two)]["seconds"] - rows[BATCH_EVENTS]["seconds"] for rows in (ours, two))
    growth = ours[max(ours)]["seconds"] / ours[BATCH_EVENTS]["seconds"]
    appended = min(row["times streaming inserts"] for row in stored if row["into the emulator"] == "Storage Write API")
    return [
        Goal("bytes to rows: share of pydantic's loop, %", 60, share, share >= 60),
        _times("batch: times the peer", 5, rate / peer),
        _times("batch: times the peer without its sink", 5, rate / bare),
        _times("streaming: times the peer", 50, stream / peer_stream),
        _times("streaming: times the peer without its sink", 50, stream / bare_stream),
        _times("streaming as it runs locally: times the peer without its sink", 50, here["events/s"] / bare_stream),
        Goal("4 times the events: times the seconds", 4.6, round(growth, 2), growth <= 4.6),
        _times("two workers: times the rate of one, start left out", 1.7, one_more / two_more),
        Goal("streaming here: MB more at the end than after a quarter", 20, *_flat(here)),
        Goal("Storage Write API: times streaming inserts", 5, appended, appended >= 5),
    ]


def _flat(row: dict[str, Any]) -> tuple[float, bool]:
    grown = row["MB more at the end than after a quarter"]
    return grown, grown <= 20


def _times(goal: str, limit: float, measured: float) -> Goal:
    return Goal(goal, limit, round(measured, 1), measured >= limit)


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
