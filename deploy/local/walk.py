"""One walk through the whole pipeline on the local stack: capture → Pub/Sub → streaming job → BigQuery."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from google.cloud import bigquery

from shopstream.capture import Capture, Counter, open_capture
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import read_settings

from .stack import LocalStack, Part, StackError, beside_python, start_part
from .tally import Tally, tally
from .topics import create_topics

_DRAIN_SECONDS = 60.0
_STALL_SECONDS = 60.0
_POLL_SECONDS = 1.0
_EVENTS_BETWEEN_REPORTS = 1000

Report = Callable[[int], None]
"""Called with how many events have come so far."""


@dataclass(frozen=True)
class Walked:
    """What came of it."""

    captured: int
    """Events capture took, wrong ones included: each must end stored or failed."""
    tally: Tally

    @property
    def stored(self) -> int:
        """Events in the raw tables, each once."""
        return sum(self.tally.stored.values())

    @property
    def failed(self) -> int:
        """Events in the failed table, each once."""
        return sum(self.tally.failed.values())

    @property
    def lost(self) -> int:
        """Events that met no fate; 0, or something is broken."""
        return self.captured - self.stored - self.failed


class Walk:
    """The running parts of one walk; a context manager that stops what it started."""

    def __init__(
        self, stack: LocalStack, directory: Path, *, settings: Mapping[str, str] | None = None, duplicate_every: int = 0
    ) -> None:
        self._directory = directory
        self.environment = {
            **stack.given,
            **stack.environment,
            "CAPTURE_SPOOL_DIRECTORY": str(directory / "spool"),
            "CAPTURE_SOURCE": "demo",
            **(settings or {}),
        }
        self.settings = read_settings(PipelineSettings, self.environment)
        self._duplicate_every = duplicate_every
        self.client: bigquery.Client = connect(self.settings)
        self._job: Part | None = None

    def __enter__(self) -> Self:
        apply_tables(self.client, self.settings)
        create_topics(self.settings, duplicate_every=self._duplicate_every)
        command = [str(beside_python("shopstream-pipeline")), "run"]
        self._job = start_part("job", command, self._directory, self.environment)
        return self

    def __exit__(self, *_: object) -> None:
        if self._job is not None:
            self._job.stop()
        self.client.close()

    def send(self, give: Callable[[Capture], Iterable[object]], report: Report) -> int:
        """Capture everything `give` tracks and see it off to Pub/Sub; how many events capture took.

        Raises:
            StackError: Pub/Sub did not take everything in time, or an event was not kept.
        """
        capture = open_capture(self.environment)
        try:
            for count, _ in enumerate(give(capture), 1):
                if count % _EVENTS_BETWEEN_REPORTS == 0:
                    report(count)
        finally:
            left = capture.close(_DRAIN_SECONDS)
        counts = capture.counts()
        if left:
            raise StackError(
                f"{left:,} bytes of events did not reach Pub/Sub in {_DRAIN_SECONDS:.0f} s; see {self._directory}"
            )
        not_kept = counts[Counter.REFUSED_FULL] + counts[Counter.REFUSED_DISK] + counts[Counter.CRASHED]
        if not_kept:
            raise StackError(f"{not_kept:,} events were not kept by capture; is the disk full?")
        return counts[Counter.CAPTURED] + counts[Counter.FAILED]

    def await_stored(self, captured: int, report: Report) -> Walked:
        """Wait until every captured event is stored or failed, or nothing has moved for a minute."""
        deadline = time.monotonic() + _STALL_SECONDS
        seen = -1
        while True:
            found = tally(self.client, self.settings)
            report(found.events)
            if found.events >= captured:
                return Walked(captured, found)
            self._check_job()
            if found.rows > seen:
                seen, deadline = found.rows, time.monotonic() + _STALL_SECONDS
            elif time.monotonic() > deadline:
                return Walked(captured, found)
            time.sleep(_POLL_SECONDS)

    def _check_job(self) -> None:
        job = self._job
        if job is not None and job.process.poll() is not None:
            raise StackError(f"The streaming job ended with status {job.process.returncode}; see {job.log}")
