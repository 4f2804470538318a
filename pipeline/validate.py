"""A line becomes an event that keeps its contract, and is what its message says it is."""

from datetime import datetime

from shopstream.schemas import Reason, Rejected
from shopstream.schemas.arrived import read_again, read_arrived

from .arrival import Line, Received


def validate(line: Line, now: datetime) -> Received:  # noqa: ARG001 - the clock that counts is that of arrival
    """The event in the line.

    Raises:
        Rejected: The line breaks the contract in more than unknown fields, or its message says it is something else.
    """
    event, unknown_fields = read_arrived(line.payload, line.delivery.received_at)
    if line.delivery.attributes.get("event_type", event.event_type) != event.event_type:
        raise Rejected(
            Reason.ATTRIBUTE_MISMATCH,
            f"the event is of the type {event.event_type}, its message says another",
            field="attributes.event_type",
        )
    return Received(event, unknown_fields, line)


def again(line: Line) -> Received:
    """What `validate` gave for this line."""
    return Received(*read_again(line.payload, line.delivery.received_at), line)
