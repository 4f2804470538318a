"""Events and failed events become rows, in the JSON that streaming inserts take; and what one request may hold."""

import json
from collections.abc import Mapping
from datetime import datetime

import msgspec

from .arrived import UnknownFields
from .failure import FailedEvent
from .normalised_query import normalised_query
from .structs import EventStruct

MAX_ROWS_PER_REQUEST = 500
MAX_BYTES_PER_REQUEST = 9_000_000
"""insertAll refuses requests over 10 MB; the rest is room for its own words around the rows."""

_write = msgspec.json.Encoder().encode


def event_row(event: EventStruct, arrival: Mapping[str, object]) -> bytes:
    """The row of an event as JSON: its fields, and after them what its arrival adds, of which none is one of them."""
    return _write(event)[:-1] + b"," + _write(arrival)[1:]


def arrival_values(
    event: EventStruct, unknown_fields: UnknownFields | None, *, received_at: datetime, ingested_at: datetime
) -> dict[str, object]:
    """What the event's row has beside the event, as far as the event alone tells it."""
    values: dict[str, object] = {
        "received_at": received_at,
        "ingested_at": ingested_at,
        "additional_properties": _json(unknown_fields),
    }
    if event.event_type == "search":
        values["normalised_query"] = normalised_query(event.query)  # type: ignore[attr-defined]
    return values


def failed_row(failure: FailedEvent) -> bytes:
    """The row of a failed event as JSON."""
    return _write(failure.model_dump() | {"attributes": _json(failure.attributes)})


def _json(value: object) -> str | None:
    """A JSON column takes its value as text."""
    # Not orjson: a foreign publisher may send an integer of any size.
    return None if value is None else json.dumps(value, separators=(",", ":"))
