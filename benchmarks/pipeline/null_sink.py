"""Takes rows and counts them, in this process."""

from collections.abc import Sequence
from typing import Any

import apache_beam as beam

from shopstream.pipeline.arrival import Row
from shopstream.pipeline.step import Step
from shopstream.schemas import FailedEvent

taken = 0


def _take(rows: int) -> None:
    global taken  # noqa: PLW0603 - the local runners run their workers as threads of this process
    taken += rows


class NullSink(beam.PTransform):
    """Batches of rows go nowhere; none is refused."""

    def expand(self, rows: beam.PCollection[list[Row]]) -> beam.PCollection[FailedEvent]:
        """Count."""
        return (rows | "Null" >> beam.ParDo(_CountRows()).with_outputs(Step.FAILED))[Step.FAILED]


class _CountRows(beam.DoFn):
    def process(self, batch: Sequence[Row]) -> None:
        _take(len(batch))


class CountOne(beam.DoFn):
    """One row an element."""

    def process(self, _: Any) -> None:
        """Count it."""
        _take(1)
