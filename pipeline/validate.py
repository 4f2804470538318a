"""A line becomes an event that keeps its contract; what the contract does not know is set aside, not lost."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel

from shopstream.schemas import AnyEvent, Reason, Rejected, read_event

from .arrival import Line, Received


def validate(line: Line, now: datetime) -> Received:  # noqa: ARG001 - the clock that counts is that of arrival
    """The event in the line.

    Raises:
        Rejected: The line breaks the contract in more than unknown fields.
    """
    received_at = line.delivery.received_at
    try:
        return Received(read_event(line.payload, received_at, unknown_fields="forbid"), None, line)
    except Rejected as rejection:
        if rejection.reason is not Reason.UNKNOWN_FIELD:
            raise
    everything = read_event(line.payload, received_at, unknown_fields="allow")
    known = read_event(line.payload, received_at, unknown_fields="ignore")
    return Received(known, unknown_fields_of(everything), line)


def unknown_fields_of(event: AnyEvent) -> dict[str, object]:
    """What an event read with unknown_fields="allow" holds beyond its contract, by path (`results.0.colour`)."""
    return dict(_unknown(event, ""))


def _unknown(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, BaseModel):
        for name, extra in (value.model_extra or {}).items():
            yield f"{path}{name}", extra
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _unknown(item, f"{path}{index}.")
