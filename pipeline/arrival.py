"""What travels through the job: a message as delivered, a line of it, an event, a row. All plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from shopstream.schemas.arrived import UnknownFields
from shopstream.schemas.structs import EventStruct


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of the message a line came in."""

    message_id: str
    attributes: Mapping[str, str]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message: one or many events."""

    data: bytes
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Line:
    """The bytes of one event and where they came from."""

    payload: bytes
    index: int
    """Its place in the message, from 0."""
    delivery: Delivery

    def identity(self) -> str:
        """An event_id for bytes that show none; the same whenever the message is delivered again."""
        return str(uuid5(NAMESPACE_URL, f"{self.delivery.message_id}/{self.index}"))


@dataclass(frozen=True, slots=True)
class Received:
    """A valid event; its bytes ride along to the failure door."""

    event: EventStruct
    unknown_fields: UnknownFields | None
    line: Line


@dataclass(frozen=True, slots=True)
class Row:
    """A row for the raw table of its event_type."""

    event_id: str
    event_type: str
    occurred_at: datetime
    document: bytes
    """Its JSON."""
    line: Line
