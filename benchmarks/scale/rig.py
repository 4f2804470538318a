"""The local stack with a job on it, an offer to it, and what became of that."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer
from typing import Literal

from deploy.local.stack import LocalStack, Part, start_part
from deploy.local.topics import create_topics
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import read_settings

from .offer import Pool, Publisher
from .shape import Step, Stored, step_of, ticks

Warehouse = Literal["emulated", "acknowledging"]
_START_SECONDS = 60.0
_STALLED_SECONDS = 30.0
_POLL_SECONDS = 0.05
_LEAD_SECONDS = 0.2
_WARM_UP = (500.0, 1.0)
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class JobEnded(Exception):
    """The job or its storing ended before everything was stored; the text is the end of its log."""


class Rig:
    """One job on one local stack."""

    def __init__(self, stack: LocalStack, directory: Path, given: Mapping[str, str], extra: Mapping[str, int]) -> None:
        """Start the job; `given` are its settings beyond the stack's, `extra` further processes to watch."""
        environment = {**stack.environment, **given}
        settings = read_settings(PipelineSettings, environment)
        create_topics(settings)
        self._notes = directory / "stored.txt"
        command = [sys.executable, "-m", "benchmarks.scale.job", str(self._notes)]
        self._job: Part = start_part("job", command, directory, {**os.environ, **environment})
        self._processes = {"job": self._job.process.pid, **stack.process_ids, **extra, "load": os.getpid()}
        self._publisher = Publisher(settings)
        self._sent_late = 0.0

    def step(self, pool: Pool, rate: float, seconds: float) -> tuple[Step, list[Stored]]:
        """Offer so much for so long, and wait until all of it is stored.

        Raises:
            JobEnded: Nothing more is stored.
        """
        before, after = self._cpu(), {}

        def note_cpu() -> None:
            after.update(self._cpu())

        stored = self.run(pool, rate, seconds, {0.0: lambda: before.update(self._cpu()), seconds: note_cpu})
        cores = {name: (after[name] - before[name]) / seconds for name in after}
        return step_of(rate, seconds, stored, cores, self._sent_late), stored

    def run(
        self, pool: Pool, rate: float, seconds: float, meanwhile: Mapping[float, Callable[[], None]]
    ) -> list[Stored]:
        """Offer, do what is to be done meanwhile, each after so many seconds, and wait until all is stored.

        Raises:
            JobEnded: Nothing more is stored.
        """
        plan = list(ticks(rate, seconds))
        packed = pool.packed(plan)
        self._notes.unlink(missing_ok=True)
        began = time.time() + _LEAD_SECONDS
        timers = [Timer(began + after - time.time(), do) for after, do in meanwhile.items()]
        for timer in timers:
            timer.start()
        self._sent_late = self._publisher.offer(plan, packed, began)
        for timer in timers:
            timer.join()
        return self._await(sum(tick.events for tick in plan), began)

    def warm_up(self, pool: Pool) -> None:
        """Let the job load what it loads with its first events.

        Raises:
            JobEnded: It stored nothing.
        """
        self.run(pool, *_WARM_UP, {})

    def close(self) -> None:
        """End the job."""
        self._job.stop()
        self._publisher.close()

    def _await(self, events: int, began: float) -> list[Stored]:
        deadline, seen = time.monotonic() + _STALLED_SECONDS, -1
        while True:
            found = self._stored(began)
            count = sum(each.events for each in found)
            if count >= events:
                return found
            if count > seen:
                seen, deadline = count, time.monotonic() + _STALLED_SECONDS
            if self._job.process.poll() is not None or time.monotonic() > deadline:
                raise JobEnded(f"{count:,} of {events:,} events stored: {self._job.log.read_text()[-2000:]}")
            time.sleep(_POLL_SECONDS)

    def _stored(self, began: float) -> list[Stored]:
        text = self._notes.read_text() if self._notes.exists() else ""
        found = []
        for line in text[: text.rfind("\n") + 1].splitlines():
            at, due, events = line.split()
            # A message of an earlier offer that comes again is no part of this one.
            if float(due) >= began - _LEAD_SECONDS / 2:
                found.append(Stored(float(at) - began, float(due) - began, int(events)))
        return found

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds(process_id) for name, process_id in self._processes.items()}


def cpu_seconds(process_id: int) -> float:
    """What a process has used so far, in user and kernel mode."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


@contextmanager
def rig(directory: Path, warehouse: Warehouse, **given: str) -> Iterator[Rig]:
    """A job, with these settings, on a stack of its own in that folder."""
    directory.mkdir(parents=True)
    with ExitStack() as stopped:
        extra: dict[str, int] = {}
        named: dict[str, str] = {}
        if warehouse == "acknowledging":
            part = start_part(
                "warehouse", [sys.executable, "-m", "benchmarks.scale.acknowledging"], directory, os.environ
            )
            stopped.callback(part.stop)
            extra["warehouse"] = part.process.pid
            named["BIGQUERY_EMULATOR_HOST"] = f"http://127.0.0.1:{_port_of(part)}"
        stack = stopped.enter_context(LocalStack(directory, named))
        os.environ["PUBSUB_EMULATOR_HOST"] = stack.environment["PUBSUB_EMULATOR_HOST"]
        stopped.callback(os.environ.pop, "PUBSUB_EMULATOR_HOST")
        if warehouse == "emulated":
            settings = read_settings(PipelineSettings, {**stack.environment, **given})
            apply_tables(connect(settings), settings)
        running = Rig(stack, directory, given, extra)
        stopped.callback(running.close)
        running.warm_up(Pool(events=1_000))
        yield running


def _port_of(part: Part) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while not (line := part.log.read_text()).endswith("\n"):
        if part.process.poll() is not None or time.monotonic() > deadline:
            raise JobEnded(f"the warehouse that only acknowledges did not start: {line}")
        time.sleep(_POLL_SECONDS)
    return int(json.loads(line)["port"])
