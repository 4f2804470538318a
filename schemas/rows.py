"""Events and failed events become rows, in the JSON that streaming inserts take; and what one request may hold."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson

from .events import AnyEvent
from .failure import FailedEvent
from .scrub import scrub_fields

MAX_ROWS_PER_REQUEST = 500
MAX_BYTES_PER_REQUEST = 9_000_000
"""insertAll refuses requests over 10 MB; the rest is room for its own words around the rows."""


def event_values(
    event: AnyEvent, unknown_fields: dict[str, object] | None, *, received_at: datetime, ingested_at: datetime
) -> dict[str, Any]:
    """The row of an event; foreign publishers' text is scrubbed here, capture's was before it left."""
    values: dict[str, Any] = scrub_fields(event.model_dump(mode="json"))
    values["occurred_at"] = _timestamp(event.occurred_at)
    values["received_at"] = _timestamp(received_at)
    values["ingested_at"] = _timestamp(ingested_at)
    values["additional_properties"] = _json(unknown_fields)
    return values


def failed_values(failure: FailedEvent) -> dict[str, Any]:
    """The row of a failed event."""
    return failure.model_dump(mode="json") | {"attributes": _json(failure.attributes)}


def row_bytes(values: dict[str, Any]) -> int:
    """What a row adds to a request, in bytes."""
    return len(orjson.dumps(values))


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _json(value: object) -> str | None:
    """A JSON column takes its value as text."""
    # Not orjson: a foreign publisher may send an integer of any size.
    return None if value is None else json.dumps(value, separators=(",", ":"))
