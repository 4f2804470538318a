"""The job under a random schedule of faults, from a seed: `make soak`.

Every event is generated here, so what must be stored and what must be refused, and why, is known to the last one.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import click

from deploy.local.stack import LocalStack
from deploy.local.tally import tally, views_repeat_an_event
from deploy.local.topics import ACK_DEADLINE_SECONDS
from tests.integration.faults.rig import METHODS, Rig, events
from tests.integration.wire import Mode, http_answer

ROUNDS = 40
DUPLICATE_EVERY = 9
"""Every so many messages are delivered twice."""
SLOW_SECONDS = 30.0
STALLED_SECONDS = 180.0
QUIET_SECONDS = ACK_DEADLINE_SECONDS + 5.0
_TOO_EARLY = "1970-01-01T00:00:00+00:00"

Break = Callable[[Rig, LocalStack, Random], float]
"""Breaks something and mends it; for how many seconds it was broken."""


@dataclass
class Summary:
    """What a soak came to."""

    method: str
    seed: int
    events: int
    stored: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    expected_failed: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    """In the raw and failed tables; more than there are events where one was written twice."""
    views_that_repeat: list[str] = field(default_factory=list)
    left_in_the_subscription: int = 0
    jobs_ended: list[str] = field(default_factory=list)
    """Why the job ended by itself, each time it did; it was started again."""
    faults: dict[str, int] = field(default_factory=dict)
    seconds_of_faults: float = 0.0
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Events that are neither stored nor failed."""
        return self.events - self.stored - sum(self.failed.values())

    @property
    def is_well(self) -> bool:
        """Whether the job kept what it promises."""
        explained = self.failed == self.expected_failed
        return self.lost == 0 and explained and not self.views_that_repeat and self.left_in_the_subscription == 0


def _on_the_wire(mode: Mode, answer: bytes = b"") -> Break:
    def break_it(rig: Rig, _: LocalStack, random: Random) -> float:
        wires = random.choice((rig.wires, rig.wires[:1], rig.wires[1:]))
        seconds = random.uniform(0.2, 3.0)
        for wire in wires:
            wire.set(mode, answer)
        time.sleep(seconds)  # A fault of such a length; nothing is waited for.
        for wire in wires:
            wire.set("open")
        return seconds

    return break_it


def _slow(rig: Rig, _: LocalStack, __: Random) -> float:
    for wire in rig.wires:
        wire.set("slow", delay_seconds=SLOW_SECONDS)
    time.sleep(SLOW_SECONDS)  # As above.
    for wire in rig.wires:
        wire.set("open")
    return SLOW_SECONDS


def _kill_job(rig: Rig, _: LocalStack, __: Random) -> float:
    began = time.monotonic()
    rig.kill_and_start_again()
    return time.monotonic() - began


def _kill_bigquery(_: Rig, stack: LocalStack, __: Random) -> float:
    began = time.monotonic()
    stack.restart_bigquery()
    return time.monotonic() - began


FAULTS: dict[str, tuple[Break, int]] = {
    "refused": (_on_the_wire("cut"), 4),
    "silent": (_on_the_wire("silent"), 4),
    "answer lost": (_on_the_wire("answer lost"), 4),
    "503": (_on_the_wire("answer", http_answer(503)), 4),
    "429": (_on_the_wire("answer", http_answer(429)), 4),
    "500 that is no JSON": (_on_the_wire("answer", http_answer(500, b"<html>")), 4),
    "job killed": (_kill_job, 5),
    "BigQuery killed": (_kill_bigquery, 3),
    "nothing": (lambda *_: 0.0, 3),
}
"""With how often each is drawn. An answer that takes 30 seconds comes once, whatever is drawn."""


def soak(method: str, count: int, seed: int, stack: LocalStack, directory: Path) -> Summary:
    """Send so many events through the job while things break around it; then count."""
    random = Random(seed)
    summary = Summary(method, seed, count)
    sent = _with_poison(events(count, seed=seed, spread=timedelta(hours=24)), random)
    summary.expected_failed = dict(Counter(reason for _, reason in sent if reason))
    rig = Rig(stack, directory, f"soak_{method}", method, duplicate_every=DUPLICATE_EVERY)
    began = time.monotonic()
    try:
        names = random.choices(list(FAULTS), [weight for _, weight in FAULTS.values()], k=ROUNDS)
        slow_round = random.randrange(ROUNDS)
        share = -(-count // ROUNDS)
        for number, name in enumerate(names):
            some = [line for line, _ in sent[number * share : (number + 1) * share]]
            rig.send_lines(some[: len(some) // 2])
            fault = _slow if number == slow_round else FAULTS[name][0]
            rig.send_lines(some[len(some) // 2 :])
            summary.seconds_of_faults += fault(rig, stack, random)
            _keep_running(rig, summary)
            told = "slow by 30 s" if number == slow_round else name
            summary.faults[told] = summary.faults.get(told, 0) + 1
            click.echo(f"\r{number + 1}/{ROUNDS} {told:20}", nl=False, err=True)
        _await_all(rig, count, summary)
        found = tally(rig.client, rig.settings)
        summary.stored, summary.failed, summary.rows = sum(found.stored.values()), dict(found.failed), found.rows
        summary.views_that_repeat = views_repeat_an_event(rig.client, rig.settings)
        summary.seconds = time.monotonic() - began
        summary.left_in_the_subscription = rig.left_in_the_subscription()
    finally:
        rig.close()
    return summary


def _with_poison(made: Sequence[dict[str, Any]], random: Random) -> list[tuple[bytes, str | None]]:
    """Lines in a random order, some of them wrong; with each the reason for which it must be refused."""
    lines: list[tuple[bytes, str | None]] = []
    for event in made:
        chance = random.random()
        if chance < 0.002:
            lines.append((json.dumps({**event, "occurred_at": _TOO_EARLY}).encode(), "time_out_of_range"))
        elif chance < 0.004:
            lines.append((json.dumps(event)[:-1].encode(), "malformed_json"))
        elif chance < 0.006:
            lines.append((b"\xff" + json.dumps(event).encode(), "not_utf8"))
        else:
            lines.append((json.dumps(event).encode(), None))
    random.shuffle(lines)
    return lines


def _keep_running(rig: Rig, summary: Summary) -> None:
    """As whoever runs the job would."""
    if why := rig.why_the_job_ended():
        summary.jobs_ended.append(why)
        rig.kill_and_start_again()


def _await_all(rig: Rig, count: int, summary: Summary) -> None:
    """Until everything has met its fate and nothing comes again, or nothing has moved for long."""
    seen, moved = -1, time.monotonic()
    while True:
        _keep_running(rig, summary)
        found = tally(rig.client, rig.settings)
        if found.rows > seen:
            seen, moved = found.rows, time.monotonic()
            click.echo(f"\r{found.events:,} of {count:,} events   ", nl=False, err=True)
        patience = QUIET_SECONDS if found.events >= count else STALLED_SECONDS
        if time.monotonic() - moved > patience:
            break
        time.sleep(0.5)
    click.echo("", err=True)


def _as_lines(summary: Summary) -> list[str]:
    faults = ", ".join(f"{count} x {name}" for name, count in sorted(summary.faults.items()))
    failed = ", ".join(f"{count:,} {reason}" for reason, count in sorted(summary.failed.items()))
    return [
        f"{summary.method}, seed {summary.seed}: {'nothing lost' if summary.is_well else 'NOT WELL'}",
        f"  {summary.events:,} events in {summary.seconds:,.0f} s, {summary.seconds_of_faults:,.0f} s of them broken",
        f"  {summary.stored:,} stored, {sum(summary.failed.values()):,} failed as they must ({failed})",
        f"  lost {summary.lost:,}, messages left {summary.left_in_the_subscription:,}",
        f"  views that show an event twice: {', '.join(summary.views_that_repeat) or 'none'}",
        f"  {summary.rows - summary.stored - sum(summary.failed.values()):,} rows written twice, which views leave out",
        f"  {faults}",
        *(f"  the job ended by itself: {why}" for why in summary.jobs_ended),
    ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--events", "count", default=200_000, show_default=True, help="How many.")
@click.option("--seed", default=1, show_default=True, help="What breaks when.")
@click.option("--method", "methods", type=click.Choice(METHODS), multiple=True, default=METHODS, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a method.")
def main(count: int, seed: int, methods: Sequence[str], as_json: bool) -> None:
    """Send events through the streaming job while things break around it, and count each one; exit status 1 if wrong.

    Example: python -m tests.soak --events 20000 --seed 7
    """
    well = True
    for method in methods:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            with LocalStack(directory, os.environ) as stack:
                os.environ.update({"PUBSUB_EMULATOR_HOST": stack.environment["PUBSUB_EMULATOR_HOST"]})
                summary = soak(method, count, seed, stack, directory)
                del os.environ["PUBSUB_EMULATOR_HOST"]
        well = well and summary.is_well
        if as_json:
            click.echo(json.dumps({**asdict(summary), "lost": summary.lost, "is_well": summary.is_well}))
        else:
            click.echo("\n".join(_as_lines(summary)))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
