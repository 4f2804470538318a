"""A received event becomes the row of its raw table, with what the job knows of it beyond what it says itself."""

from datetime import datetime

from shopstream.schemas.rows import arrival_values, event_row
from shopstream.schemas.structs import EventStruct

from .arrival import Received, Row
from .visits import Visit, first_query_of


def enrich(received: Received, visit: Visit | None, test_prefixes: tuple[str, ...], now: datetime) -> Row:
    """The row of an event within its visit, where it has one; `now` is when the row is handed on.

    Events whose source or user_id begins with one of test_prefixes are test traffic.
    """
    event = received.event
    values = arrival_values(
        event, received.unknown_fields, received_at=received.line.delivery.received_at, ingested_at=now
    )
    if visit is not None:
        values["session_inferred"] = event.session_id is None
        event.session_id = visit.session_id
        if event.event_type in ("interaction", "order"):
            values["first_query_id"] = first_query_of(visit, event)
    if event.traffic is None:
        event.traffic = _traffic(event, visit, test_prefixes)
    return Row(event.event_id, event.event_type, event.occurred_at, event_row(event, values), received.line)


def _traffic(event: EventStruct, visit: Visit | None, test_prefixes: tuple[str, ...]) -> str | None:
    if event.source.startswith(test_prefixes) or (event.user_id or "").startswith(test_prefixes):
        return "test"
    return "bot" if visit is not None and visit.is_bot else None
