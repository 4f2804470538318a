"""The one DoFn around a pure function."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from shopstream.schemas import FailedEvent

from .clock import Clock
from .counters import NAMESPACE, Counter
from .outcome import Outcome

DONE = "done"
"""The main output of a step."""
STORED = "stored"
"""The main output of a sink: batches of what is stored."""

T = TypeVar("T")
U = TypeVar("U")
ToFailed: TypeAlias = TaggedOutput[Literal["failed"], FailedEvent]
"""A failure on its way out by the one door; the tag is Step.FAILED."""


class Step(beam.DoFn, Generic[T, U]):
    """Applies a function to an element; `done` goes on as one batch, each failure goes to the tag FAILED.

    The tag COUNTED gives the element with the number of what it became, both kinds together.
    """

    FAILED = "failed"
    COUNTED = "counted"

    def __init__(self, function: Callable[[T, datetime], Outcome[U]], now: Clock, counter: Counter) -> None:
        self._function, self._now = function, now
        self._done = Metrics.counter(NAMESPACE, counter)

    def process(self, element: T) -> Iterator[list[U] | ToFailed | TaggedOutput[Literal["counted"], tuple[T, int]]]:
        """Failures leave one by one, what is done leaves together: Beam's cost is per element."""
        outcome = self._function(element, self._now())
        self._done.inc(len(outcome.done))
        if outcome.done:
            yield outcome.done
        for failure in outcome.failed:
            yield TaggedOutput(self.FAILED, failure)
        yield TaggedOutput(self.COUNTED, (element, len(outcome.done) + len(outcome.failed)))


def in_global_window(value: Any) -> WindowedValue:  # noqa: ANN401 - it looks at nothing
    """What finish_bundle may give; it has no element to take a window from."""
    return WindowedValue(value, GlobalWindow().max_timestamp(), (GlobalWindow(),))


class Count(beam.DoFn):
    """Passes elements on and counts them."""

    def __init__(self, counter: Counter) -> None:
        self._counted = Metrics.counter(NAMESPACE, counter)

    def process(self, element: Any) -> Iterator[Any]:  # noqa: ANN401 - it looks at nothing
        """Count one element."""
        self._counted.inc()
        yield element
