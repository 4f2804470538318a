"""What travels through the job: a message as delivered, a line of it, an event, a row. All plain values.

Structs, for a dataclass that cannot be changed takes five times as long to make, and there are three an event.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import msgspec

from shopstream.schemas.arrived import UnknownFields
from shopstream.schemas.live.live_session import LiveSession
from shopstream.schemas.structs import EventStruct


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """What is known of the message a line came in."""

    message_id: str
    attributes: Mapping[str, str]
    received_at: datetime


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """A message: one or many events."""

    data: bytes
    delivery: Delivery
    ack_id: str = ""
    """Acknowledges it; empty where the source does that itself."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """The bytes of one event and where they came from."""

    payload: bytes
    index: int
    """Its place in the message, from 0."""
    delivery: Delivery

    def identity(self) -> str:
        """An event_id for bytes that show none; the same whenever the message is delivered again."""
        return str(uuid5(NAMESPACE_URL, f"{self.delivery.message_id}/{self.index}"))


class Received(msgspec.Struct, frozen=True, gc=False):
    """A valid event; its bytes ride along to the failure door."""

    event: EventStruct
    unknown_fields: UnknownFields | None
    line: Line


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row for the raw table of its event_type."""

    event_id: str
    event_type: str
    occurred_at: datetime
    document: bytes
    """Its JSON."""
    line: Line
    session: LiveSession | None = None
    """The session right after the event, of the last event of it in a batch; where live features are wanted."""
