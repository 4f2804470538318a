"""A received event becomes the row of its raw table; what a row looks like, the contract says."""

from datetime import datetime

from shopstream.schemas.rows import event_values

from .arrival import Received, Row


def event_row(received: Received, now: datetime) -> Row:
    """The row of an event."""
    event = received.event
    values = event_values(
        event, received.unknown_fields, received_at=received.line.delivery.received_at, ingested_at=now
    )
    return Row(event.event_id, event.event_type, values, received.line)
