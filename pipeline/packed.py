"""Lines and rows as bytes, for the way between workers: what many know of their message is written once."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import msgspec

from .arrival import Delivery, Line, Row


class _Message(msgspec.Struct, array_like=True):
    """Lines of one message."""

    message_id: str
    attributes: dict[str, str]
    received_at: datetime
    indexes: list[int]
    payloads: bytes
    """With a newline after each, which none of them holds: a message was cut into lines at them."""


class _PackedRow(msgspec.Struct, array_like=True):
    event_id: str
    event_type: str
    occurred_at: datetime
    document: bytes


_write = msgspec.msgpack.Encoder().encode
_read_lines = msgspec.msgpack.Decoder(list[_Message]).decode
_read_rows = msgspec.msgpack.Decoder(tuple[bytes, list[_PackedRow]]).decode


def pack_lines(lines: Sequence[Line]) -> bytes:
    """Lines in their order."""
    return _write([_message(delivery, list(some)) for delivery, some in groupby(lines, attrgetter("delivery"))])


def _message(delivery: Delivery, lines: Sequence[Line]) -> _Message:
    indexes = [line.index for line in lines]
    payloads = b"".join([line.payload + b"\n" for line in lines])
    return _Message(delivery.message_id, dict(delivery.attributes), delivery.received_at, indexes, payloads)


def unpack_lines(data: bytes) -> list[Line]:
    """What pack_lines was given."""
    lines: list[Line] = []
    for message in _read_lines(data):
        delivery = Delivery(message.message_id, message.attributes, message.received_at)
        payloads = message.payloads.split(b"\n")
        lines += [Line(payloads[place], index, delivery) for place, index in enumerate(message.indexes)]
    return lines


def pack_rows(rows: Sequence[Row]) -> bytes:
    """Rows in their order, with the lines they were."""
    packed = [_PackedRow(row.event_id, row.event_type, row.occurred_at, row.document) for row in rows]
    return _write((pack_lines([row.line for row in rows]), packed))


def unpack_rows(data: bytes) -> list[Row]:
    """What pack_rows was given."""
    lines, rows = _read_rows(data)
    return [
        Row(row.event_id, row.event_type, row.occurred_at, row.document, line)
        for row, line in zip(rows, unpack_lines(lines), strict=True)
    ]
