"""Lines and rows as bytes, for the way between workers: what many know of their message is written once."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from .arrival import Delivery, Line, Row


class _PackedLine(msgspec.Struct, array_like=True):
    message: int
    """Place of its message in `messages`."""
    index: int
    payload: bytes


class _PackedRow(msgspec.Struct, array_like=True):
    line: _PackedLine
    event_id: str
    event_type: str
    occurred_at: datetime
    document: bytes


class _Message(msgspec.Struct, array_like=True):
    message_id: str
    attributes: dict[str, str]
    received_at: datetime


_write = msgspec.msgpack.Encoder().encode
_read_lines = msgspec.msgpack.Decoder(tuple[list[_Message], list[_PackedLine]]).decode
_read_rows = msgspec.msgpack.Decoder(tuple[list[_Message], list[_PackedRow]]).decode


def pack_lines(lines: Sequence[Line]) -> bytes:
    """Lines in their order."""
    messages, places = _messages_of(line.delivery for line in lines)
    return _write((messages, [_PackedLine(places[id(line.delivery)], line.index, line.payload) for line in lines]))


def unpack_lines(data: bytes) -> list[Line]:
    """What pack_lines was given."""
    messages, lines = _read_lines(data)
    deliveries = _deliveries_of(messages)
    return [Line(line.payload, line.index, deliveries[line.message]) for line in lines]


def pack_rows(rows: Sequence[Row]) -> bytes:
    """Rows in their order."""
    messages, places = _messages_of(row.line.delivery for row in rows)
    packed = [
        _PackedRow(
            _PackedLine(places[id(row.line.delivery)], row.line.index, row.line.payload),
            row.event_id,
            row.event_type,
            row.occurred_at,
            row.document,
        )
        for row in rows
    ]
    return _write((messages, packed))


def unpack_rows(data: bytes) -> list[Row]:
    """What pack_rows was given."""
    messages, rows = _read_rows(data)
    deliveries = _deliveries_of(messages)
    return [
        Row(
            row.event_id,
            row.event_type,
            row.occurred_at,
            row.document,
            Line(row.line.payload, row.line.index, deliveries[row.line.message]),
        )
        for row in rows
    ]


def _messages_of(deliveries: Iterable[Delivery]) -> tuple[list[_Message], dict[int, int]]:
    """The messages, each once, and the place of each by the identity of its delivery: lines of a message share one."""
    messages: list[_Message] = []
    places: dict[int, int] = {}
    for delivery in deliveries:
        if id(delivery) not in places:
            places[id(delivery)] = len(messages)
            messages.append(_Message(delivery.message_id, dict(delivery.attributes), delivery.received_at))
    return messages, places


def _deliveries_of(messages: Iterable[_Message]) -> list[Delivery]:
    return [Delivery(message.message_id, message.attributes, message.received_at) for message in messages]
