"""Events and failed events become rows, in the JSON that streaming inserts take."""

import json
from datetime import UTC, datetime
from typing import Any

from shopstream.schemas import FailedEvent
from shopstream.schemas.scrub import scrub_fields

from .arrival import Received, Row


def event_row(received: Received, now: datetime) -> Row:
    """The row of an event; foreign publishers' text is scrubbed here, capture's was before it left."""
    event = received.event
    values = scrub_fields(event.model_dump(mode="json"))
    values["occurred_at"] = _timestamp(event.occurred_at)
    values["received_at"] = _timestamp(received.line.delivery.received_at)
    values["ingested_at"] = _timestamp(now)
    values["additional_properties"] = _json(received.unknown_fields)
    return Row(event.event_id, event.event_type, values, received.line)


def failed_row(failure: FailedEvent) -> dict[str, Any]:
    """The row of a failed event."""
    return failure.model_dump(mode="json") | {"attributes": _json(failure.attributes)}


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _json(value: object) -> str | None:
    """A JSON column takes its value as text."""
    # Not orjson: a foreign publisher may send an integer of any size.
    return None if value is None else json.dumps(value, separators=(",", ":"))
