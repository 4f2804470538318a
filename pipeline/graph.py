"""The whole flow on one screen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import apache_beam as beam

from shopstream.schemas import FailedEvent, Stage

from .batches import Batch
from .clock import Clock
from .counters import Counter
from .decode import decode
from .outcome import Outcome, each
from .step import Count, Step
from .validate import validate

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
    """Takes batches of Row; gives what it must refuse, as FailedEvents."""
    failed_sink: beam.DoFn
    """Takes FailedEvents."""
    now: Clock


def build(pipeline: beam.Pipeline, job: Job) -> beam.PCollection[FailedEvent]:
    """Decode, validate, enrich, write; failures gather in a list and leave by one door, and are given back."""
    failures: list[beam.PCollection[FailedEvent]] = []

    def attempt(
        stage: Stage,
        function: Callable[[T, datetime], Outcome[U]],
        elements: beam.PCollection[T],
        counter: Counter,
    ) -> beam.PCollection[list[U]]:
        step = beam.ParDo(Step(function, job.now, counter)).with_output_types(Batch, failed=FailedEvent)
        result = elements | stage.title() >> step.with_outputs(Step.FAILED, main="done")
        failures.append(result[Step.FAILED])
        return result.done

    messages = pipeline | "Read" >> job.source | "CountMessages" >> beam.ParDo(Count(Counter.MESSAGES_RECEIVED))
    lines = attempt(Stage.DECODE, decode, messages, Counter.EVENTS_DECODED)
    events = attempt(Stage.VALIDATE, each(Stage.VALIDATE, validate), lines, Counter.EVENTS_VALIDATED)
    rows = events | Stage.ENRICH.title() >> job.enrich
    failures.append(rows | Stage.WRITE.title() >> job.sink)
    failed = failures | beam.Flatten()
    failed | "WriteFailed" >> beam.ParDo(job.failed_sink)
    return failed
