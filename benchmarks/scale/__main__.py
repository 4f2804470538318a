"""`python -m benchmarks.scale`: about seven minutes."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.results import Goal, Rows, at_most, show, write

from .offer import Pool
from .rig import Warehouse, rig
from .shape import (
    Step,
    Stored,
    bottleneck,
    capacity,
    expected_lag_growth,
    is_over,
    knee,
    quantile,
    rising,
)
from .state import rows_of_state

PACKAGES = ("apache-beam", "google-cloud-pubsub", "google-cloud-bigquery", "bqemulator", "duckdb", "msgspec")
SERIES: Mapping[str, tuple[str, Warehouse, str, float]] = {
    "inserted": ("Streaming inserts into the BigQuery emulator", "emulated", "streaming_inserts", 500),
    "appended": ("Storage Write API into the BigQuery emulator", "emulated", "storage_write", 1_000),
    "acknowledged": ("Streaming inserts into a server that only answers", "acknowledging", "streaming_inserts", 1_000),
}
"""Title, warehouse, write method, and the first rate; the third series is the job's own limit."""
PARTS = (*SERIES, "keys")
FACTOR, MOST, STEPS_BEYOND = 2.0, 200_000, 2
_SHARDS = (4, 64, 256)
_OVERLOAD = 40_000.0


def series(name: str, seconds: float, directory: Path) -> tuple[list[Step], list[Stored]]:
    """Steps at rising rates until two of them were too much; what was stored of the last."""
    _, warehouse, method, first = SERIES[name]
    steps: list[Step] = []
    stored: list[Stored] = []
    pool = Pool()
    with rig(directory / name, warehouse, BIGQUERY_WRITE_METHOD=method) as running:
        for rate in rising(first, FACTOR, MOST):
            step, stored = running.step(pool, rate, seconds)
            steps.append(step)
            _tell(f"{name}: {_as_text(step)}")
            if is_over(steps, STEPS_BEYOND):
                break
    return steps, stored


def rows_of_steps(steps: Sequence[Step]) -> Rows:
    """A row a step."""
    return [
        {
            "offered, events/s": round(step.offered),
            "stored, events/s": round(step.stored),
            "waiting at the end": step.backlog,
            "lag p50, s": round(step.lag_p50, 2),
            "lag p99, s": round(step.lag_p99, 2),
            "lag grows, s/s": round(step.lag_growth, 2),
            "by arithmetic, s/s": round(expected_lag_growth(step.offered, step.stored), 2),
            **{f"{name}, cores": round(cores, 2) for name, cores in step.cores.items()},
            "sent late, s": round(step.sent_late, 2),
            "busy": bottleneck(step.cores, os.cpu_count() or 1),
        }
        for step in steps
    ]


def rows_of_time(stored: Sequence[Stored], seconds: float) -> Rows:
    """How late the events were that were due in each second."""
    rows = []
    for second in range(int(seconds)):
        due = [each for each in stored if second <= each.due < second + 1]
        if due:
            lags = [(each.at - each.due, each.events) for each in due]
            waiting = sum(each.events for each in stored if each.due < second + 1 <= each.at)
            rows.append({"second": second + 1, "lag p50, s": round(quantile(lags, 0.5), 2), "waiting": waiting})
    return rows


def keys(seconds: float, directory: Path) -> Rows:
    """One user beside twenty thousand, and few shards beside many, at more than the job can take."""
    rows: Rows = []
    for who, shards in [("20,000 users", shards) for shards in _SHARDS] + [("one user, one visit", 64)]:
        pool = Pool(one_user=who != "20,000 users")
        with rig(directory / f"keys-{len(rows)}", "acknowledging", VISIT_SHARDS=str(shards)) as running:
            step, _ = running.step(pool, _OVERLOAD, seconds / 2)
            slow, _ = running.step(pool, _OVERLOAD / 40, seconds / 2)
        rows.append(
            {
                "events of": who,
                "VISIT_SHARDS": shards,
                f"stored of {_OVERLOAD:,.0f} offered, events/s": round(step.stored),
                f"lag p50 at {_OVERLOAD / 40:,.0f} events/s, s": round(slow.lag_p50, 2),
                "lag p99, s": round(slow.lag_p99, 2),
            }
        )
        _tell(f"keys: {rows[-1]}")
    return rows


def goals_of(steps: Mapping[str, Sequence[Step]]) -> list[Goal]:
    """Whether what waiting does follows the arithmetic."""
    goals = []
    for name, some in steps.items():
        if beyond := [step for step in some if not step.keeps_up]:
            off = abs(beyond[-1].lag_growth - expected_lag_growth(beyond[-1].offered, beyond[-1].stored))
            share = off / expected_lag_growth(beyond[-1].offered, beyond[-1].stored)
            goals.append(at_most(f"{name}: lag beyond the knee, off the arithmetic by a share of", 0.25, share))
    return goals


def _as_text(step: Step) -> str:
    state = "kept up" if step.keeps_up else "too much"
    lag = f"lag {step.lag_p50:.2f} s, p99 {step.lag_p99:.2f} s"
    return f"{step.offered:,.0f} events/s offered, {step.stored:,.0f} stored, {lag}: {state}"


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _measure(parts: Sequence[str], seconds: float, directory: Path) -> tuple[dict[str, Rows], dict[str, list[Step]]]:
    tables: dict[str, Rows] = {}
    steps: dict[str, list[Step]] = {}
    for name in (part for part in parts if part in SERIES):
        found, last = series(name, seconds, directory)
        steps[name], title = found, SERIES[name][0]
        at = knee(found)
        where = "below the first step" if at is None else f"at {at.offered:,.0f} events/s"
        tables[f"{title}: the knee is {where}, the most {capacity(found):,.0f} a second"] = rows_of_steps(found)
        tables[f"{title}: second by second at {found[-1].offered:,.0f} events/s"] = rows_of_time(last, seconds)
    if "keys" in parts:
        tables["Hot keys and shards, into a server that only answers"] = keys(seconds, directory)
        tables["What open visits cost, each time a bundle of their shard comes"] = rows_of_state()
    return tables, steps


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=8.0, show_default=True, type=click.FloatRange(2), help="Of each step's offer.")
@click.option("--part", "parts", multiple=True, default=PARTS, show_default=True, type=click.Choice(PARTS))
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON, and write no file.")
def main(seconds: float, parts: Sequence[str], as_json: bool) -> None:
    """Offer events to the local stack at rising rates until it cannot follow; seven minutes, on Linux.

    Each step's events are due at fixed times, whatever became of those before. What follows the knee and what
    many visitors cost is written to benchmarks/results/scale.json.

    Example: python -m benchmarks.scale --part acknowledged --seconds 4 --json
    """
    with tempfile.TemporaryDirectory() as name:
        tables, steps = _measure(parts, seconds, Path(name))
    goals = goals_of(steps)
    if as_json:
        found: dict[str, Any] = {"tables": tables, "goals": [vars(goal) for goal in goals]}
        click.echo(json.dumps(found, indent=2))
        return
    show(tables, goals)
    click.echo(str(write("scale", "Scale", tables, goals, packages=PACKAGES)))


if __name__ == "__main__":
    main()
