"""Takes rows and counts them, in this process."""

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import DoOutputsTuple
from apache_beam.typehints.decorators import no_annotations

from shopstream.pipeline.arrival import Row
from shopstream.pipeline.batches import Batch
from shopstream.pipeline.step import STORED, Step
from shopstream.schemas import FailedEvent

taken = 0


def take(rows: int) -> None:
    """Count so many."""
    global taken  # noqa: PLW0603 - the local runners run their workers as threads of this process
    taken += rows


class NullSink(beam.PTransform):
    """Batches of rows go nowhere; none is refused."""

    @no_annotations
    def expand(self, rows: beam.PCollection[list[Row]]) -> DoOutputsTuple:
        """Count."""
        count = beam.ParDo(_CountRows()).with_output_types(Batch, failed=FailedEvent)
        return rows | "Null" >> count.with_outputs(Step.FAILED, main=STORED)


class _CountRows(beam.DoFn):
    @no_annotations
    def process(self, batch: list[Row]) -> Iterator[list[Row]]:
        take(len(batch))
        yield batch


class TakenAll(Exception):
    """Raised by a sink that has taken all it was to take, for a runner that can be stopped no other way."""


class StopAfter(beam.DoFn):
    """Ends the job with the last row."""

    def __init__(self, events: int) -> None:
        self._events = events

    @no_annotations
    def process(self, _: Sequence[Row]) -> None:
        """Look how many there were."""
        if taken >= self._events:
            raise TakenAll


class CountOne(beam.DoFn):
    """One row an element."""

    def process(self, _: Any) -> None:
        """Count it."""
        take(1)
