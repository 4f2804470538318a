"""The whole flow on one screen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import apache_beam as beam

from shopstream.schemas import FailedEvent, Stage

from .acknowledge import Fates
from .batches import Batch
from .clock import Clock
from .counters import Counter
from .decode import decode
from .outcome import Outcome
from .step import DONE, STORED, Count, Step
from .tombstones import Admit, Tombstones

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Job:
    """What one run of the flow reads, writes and takes for the time."""

    source: beam.PTransform
    """Gives Delivered messages."""
    enrich: beam.PTransform
    """Makes batches of Row of batches of Received."""
    sink: beam.PTransform
    """Takes batches of Row; gives those stored, and what it must refuse as FailedEvents."""
    failed_sink: beam.DoFn
    """Takes FailedEvents; gives batches of those written."""
    now: Clock
    tombstones: Tombstones
    live: beam.PTransform | None = None
    """Takes batches of stored Row; None where no live features are wanted."""
    acknowledge: Callable[[Fates], None] | None = None
    """Where the source does not acknowledge messages."""


def build(pipeline: beam.Pipeline, job: Job) -> dict[Stage, beam.PCollection[FailedEvent]]:
    """Decode, validate, enrich, write; the failures of each stage leave by the same door, and are given back."""
    failures: dict[Stage, beam.PCollection[FailedEvent]] = {}

    def attempt(
        stage: Stage,
        function: Callable[[T, datetime], Outcome[U]],
        elements: beam.PCollection[T],
        counter: Counter,
    ) -> beam.pvalue.DoOutputsTuple:
        step = beam.ParDo(Step(function, job.now, counter)).with_output_types(
            Batch, failed=FailedEvent, counted=tuple[Any, int]
        )
        result = elements | stage.title() >> step.with_outputs(Step.FAILED, Step.COUNTED, main=DONE)
        failures[stage] = result[Step.FAILED]
        return result

    messages = pipeline | "Read" >> job.source | "CountMessages" >> beam.ParDo(Count(Counter.MESSAGES_RECEIVED))
    decoded = attempt(Stage.DECODE, decode, messages, Counter.EVENTS_DECODED)
    valid = attempt(Stage.VALIDATE, Admit(job.tombstones), decoded[DONE], Counter.EVENTS_VALIDATED)
    written = valid[DONE] | Stage.ENRICH.title() >> job.enrich | Stage.WRITE.title() >> job.sink
    failures[Stage.WRITE] = written[Step.FAILED]
    if job.live is not None:
        written[STORED] | "Live" >> job.live
    # Not gathered by Flatten: pipeline/acknowledge.py says why.
    failed = {
        stage: some | f"WriteFailed{stage.title()}" >> beam.ParDo(job.failed_sink) for stage, some in failures.items()
    }
    if job.acknowledge is not None:
        job.acknowledge(Fates(decoded[Step.COUNTED], written[STORED], failed))
    return failures
