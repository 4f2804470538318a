"""Takes rows and counts them, in this process."""

from collections.abc import Sequence
from typing import Any

import apache_beam as beam
from apache_beam.typehints.decorators import no_annotations

from shopstream.pipeline.arrival import Row
from shopstream.pipeline.step import Step
from shopstream.schemas import FailedEvent

taken = 0


def take(rows: int) -> None:
    """Count so many."""
    global taken  # noqa: PLW0603 - the local runners run their workers as threads of this process
    taken += rows


class NullSink(beam.PTransform):
    """Batches of rows go nowhere; none is refused."""

    @no_annotations
    def expand(self, rows: beam.PCollection[list[Row]]) -> beam.PCollection[FailedEvent]:
        """Count."""
        return (rows | "Null" >> beam.ParDo(_CountRows()).with_outputs(Step.FAILED))[Step.FAILED]


class _CountRows(beam.DoFn):
    @no_annotations
    def process(self, batch: Sequence[Row]) -> None:
        take(len(batch))


class CountOne(beam.DoFn):
    """One row an element."""

    def process(self, _: Any) -> None:
        """Count it."""
        take(1)
