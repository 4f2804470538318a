"""A line that arrived becomes an event, scrubbed; what the contract does not know is set aside, not lost.

Nearly every line goes the quick way, through a struct; the models have the word on the others.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Union

import msgspec
from pydantic import BaseModel

from .events import AnyEvent
from .failure import Reason, Rejected
from .identifiers import is_event_id
from .scrub import scrub_event
from .structs import WHOLE_STRUCTS, EventStruct, may_hold_control_characters
from .validation import MAX_EVENT_BYTES, check_time, read_event, write_event

_read: Any = msgspec.json.Decoder(Union[tuple(WHOLE_STRUCTS.values())]).decode  # noqa: UP007 - a union of a list
_write = msgspec.json.Encoder().encode
_NOT_QUICKLY = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What msgspec answers to anything out of the ordinary."""

UnknownFields = dict[str, object]


def read_arrived(line: bytes, received_at: datetime) -> tuple[EventStruct, UnknownFields | None]:
    """The event in a line of JSON, and by path (`results.0.colour`) what it holds beyond its contract.

    Raises:
        Rejected: The line breaks the contract in more than unknown fields; names the first offending field.
    """
    event = _quickly(line)
    if event is None:
        model, unknown = _by_its_model(line, received_at)
        event = _read(write_event(model))
        assert event is not None  # noqa: S101 - whatever a model takes its struct takes, a test holds them to it
    else:
        unknown = None
        check_time(event.occurred_at, received_at)
    return _settled(event), unknown


def read_again(line: bytes, received_at: datetime) -> tuple[EventStruct, UnknownFields | None]:
    """What read_arrived gave for this line: of what it took nothing has to be checked again."""
    try:
        event: EventStruct = _read(line)
    except _NOT_QUICKLY:
        return read_arrived(line, received_at)
    return _settled(event), None


def _settled(event: EventStruct) -> EventStruct:
    if event.occurred_at.tzinfo is not UTC:
        event.occurred_at = event.occurred_at.astimezone(UTC)
    # Capture's text was scrubbed before it left; foreign publishers' is here.
    scrub_event(event)
    return event


def _quickly(line: bytes) -> EventStruct | None:
    if len(line) > MAX_EVENT_BYTES:
        return None
    try:
        event: EventStruct = _read(line)
        # Other publishers write letters as escapes too; written again, only what is in the way still is one.
        if may_hold_control_characters(line) and may_hold_control_characters(_write(event)):
            return None
    except _NOT_QUICKLY:
        return None
    return event if is_event_id(event.event_id) else None


def _by_its_model(line: bytes, received_at: datetime) -> tuple[AnyEvent, UnknownFields | None]:
    try:
        return read_event(line, received_at, unknown_fields="forbid"), None
    except Rejected as rejection:
        if rejection.reason is not Reason.UNKNOWN_FIELD:
            raise
    everything = read_event(line, received_at, unknown_fields="allow")
    known = read_event(line, received_at, unknown_fields="ignore")
    return known, dict(_unknown(everything, ""))


def _unknown(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, BaseModel):
        for name, extra in (value.model_extra or {}).items():
            yield f"{path}{name}", extra
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _unknown(item, f"{path}{index}.")
