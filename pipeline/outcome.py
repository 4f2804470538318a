"""Failure becomes a value: what went well and what did not, side by side. No Beam here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from shopstream.schemas import FailedEvent, Rejected, Stage

from .arrival import Line


class HasLine(Protocol):
    """An item that still knows the line it was."""

    @property
    def line(self) -> Line:
        """The line."""


T = TypeVar("T")
U = TypeVar("U")
Item = TypeVar("Item", bound=HasLine | Line)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[U]):
    """Every item is in `done` or in `failed`, never in both, never in neither."""

    done: list[U] = field(default_factory=list)
    failed: list[FailedEvent] = field(default_factory=list)


def each(stage: Stage, function: Callable[[Item, datetime], U]) -> Callable[[Sequence[Item], datetime], Outcome[U]]:
    """Apply the function to every item of a batch, so that a bad one never takes its neighbours with it.

    Only Rejected is a failure of the item; anything else is a fault of ours or of the world and stops the bundle.
    """

    def over_batch(batch: Sequence[Item], now: datetime) -> Outcome[U]:
        outcome: Outcome[U] = Outcome()
        for item in batch:
            try:
                done = function(item, now)
            except Rejected as rejection:
                outcome.failed.append(
                    failed_event(stage, rejection, item if isinstance(item, Line) else item.line, now)
                )
            else:
                outcome.done.append(done)
        return outcome

    return over_batch


def failed_event(stage: Stage, rejection: Rejected, line: Line, now: datetime) -> FailedEvent:
    """The record of a line that was rejected; the same event_id whenever the line comes again."""
    return FailedEvent.of(
        stage,
        rejection,
        line.payload,
        now,
        otherwise=line.identity(),
        message_id=line.delivery.message_id,
        line_index=line.index,
        attributes=dict(line.delivery.attributes) or None,
        received_at=line.delivery.received_at,
    )
