"""What a caller hands over becomes plain fields, and what cannot be one still leaves something to keep."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import orjson

from shopstream.schemas import Event, Reason, Rejected, read_event, write_event
from shopstream.schemas.validation import MAX_EVENT_BYTES

Fields = dict[str, object]


def fields_of(event: Event | Mapping[str, object]) -> Fields:
    """The fields of an event or of a mapping, as a new dictionary.

    Raises:
        Rejected: It is neither.
    """
    if isinstance(event, Event):
        return event.model_dump(mode="json", exclude_none=True, warnings=False)
    if isinstance(event, Mapping):
        return dict(event)
    raise Rejected(Reason.WRONG_TYPE, "an event is a mapping or one of the event classes")


def fields_in(line: bytes, now: datetime) -> Fields:
    """The fields of one line of JSON.

    Raises:
        Rejected: It is too large, not JSON, or no object.
    """
    fields: object = None
    if len(line) <= MAX_EVENT_BYTES:
        with suppress(orjson.JSONDecodeError):
            fields = orjson.loads(line)
    if isinstance(fields, dict):
        return fields
    # Gives the reason. What only pydantic's parser takes for JSON, such as NaN, goes on in its own form of it.
    parsed: Fields = orjson.loads(write_event(read_event(line, now, unknown_fields="forbid")))
    return parsed


def remains_of(fields: Fields) -> bytes:
    """The JSON of fields some of which may have no JSON form: those stand as the name of their type."""
    try:
        return orjson.dumps(fields, default=_type_name, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        pass
    try:
        return json.dumps(fields, default=_type_name, skipkeys=True).encode()
    except (TypeError, ValueError, RecursionError):
        return b""  # It contains itself; there is no end to write.


def _type_name(value: object) -> str:
    return type(value).__name__
