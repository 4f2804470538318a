"""Bytes of a spool segment to records and back. No file in sight.

A record is one line: 8 hexadecimal digits of the CRC-32 of everything after the first space, a space, the
event_type, a space, the JSON, a newline.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import msgspec

_HEAD = re.compile(rb"[0-9a-f]{8} [a-z_]{1,64} ")
_CHECKSUM_DIGITS = 8
_EVENT_TYPE = re.compile(r"[a-z_]{1,64}", re.ASCII)
_OF_A_HEAD = b"0123456789abcdef "
_LINE = b"%08x %b\n"
_PIECES_TRIED = 64
"""A damaged line is searched for intact records at this many places at most."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One JSON object on its way into the spool."""

    event_type: str
    document: bytes
    numbered: bool = True
    """Whether it takes the writer's next sequence number, and carries it."""
    event_id: str | None = None
    """For whoever hands it in; it stands in the document too."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One event of the spool, or one failed event."""

    event_type: str
    document: bytes
    """Its JSON."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bytes that are no record: cut off while being written, or changed afterwards."""

    content: bytes


def encode(event_type: str, document: bytes) -> bytes:
    """The line of one record, newline included.

    Raises:
        ValueError: The event_type is not made of lower-case letters and underscores.
    """
    # In JSON a raw newline can only stand between tokens, where a space means the same.
    body = _HEADS[event_type] + document.replace(b"\n", b" ")
    return _LINE % (crc32(body), body)


def encode_numbered(event_type: str, document: bytes, writer_id: bytes, sequence: int) -> bytes:
    """The same for a JSON object that is given its writer's number; it has a field already, and no raw newline.

    Raises:
        ValueError: The event_type is not made of lower-case letters and underscores.
    """
    body = b'%b%b,"writer_id":"%b","sequence":%d}' % (_HEADS[event_type], document[:-1], writer_id, sequence)
    return _LINE % (crc32(body), body)


class _Heads(dict[str, bytes]):
    """What stands before the document, by event_type."""

    def __missing__(self, event_type: str) -> bytes:
        if not _EVENT_TYPE.fullmatch(event_type):
            raise ValueError("an event_type is 1 to 64 lower-case letters and underscores")
        self[event_type] = head = event_type.encode() + b" "
        return head


_HEADS = _Heads()


def complete_lines(buffer: bytes) -> tuple[list[bytes], int]:
    """Lines that end in a newline, and how many bytes they take. What follows was cut off while being written."""
    end = buffer.rfind(b"\n") + 1
    return buffer[:end].split(b"\n")[:-1], end  # not splitlines(): it also breaks at \r


def parse_intact(lines: Sequence[bytes]) -> list[Record] | None:
    """The records of lines that are all undamaged; None where one is not, and each has to be parsed by itself.

    A forwarder takes turns with the service's own threads, so a line costs it less than a microsecond here: all that
    is done for each one is done in C.
    """
    heads = b"".join([line[: _CHECKSUM_DIGITS + 1] for line in lines])
    if heads.translate(None, _OF_A_HEAD):
        return None
    bodies = [line[_CHECKSUM_DIGITS + 1 :] for line in lines]
    try:
        written = struct.unpack(f">{len(lines)}I", bytes.fromhex(heads.decode()))  # It passes over the spaces.
        if written != tuple(map(crc32, bodies)):
            return None
        return [Record(_EVENT_TYPES[name], document) for name, _, document in [body.partition(b" ") for body in bodies]]
    except (ValueError, struct.error):
        return None


class _EventTypes(dict[bytes, str]):
    """The event_type a body begins with, as text."""

    def __missing__(self, name: bytes) -> str:
        if not _EVENT_TYPE.fullmatch(found := name.decode()):
            raise ValueError("no event_type")
        self[name] = found
        return found


_EVENT_TYPES = _EventTypes()


def parse(line: bytes) -> list[Record | Damaged]:
    """What a line without its newline holds: one record, or, where it is damaged, its pieces in order.

    Two records run together when the newline between them was lost; each that is intact is still found.
    """
    record = _record(line)
    return [record] if record else _salvage(line)


def _record(line: bytes) -> Record | None:
    head = _HEAD.match(line)
    if head is None or crc32(memoryview(line)[_CHECKSUM_DIGITS + 1 :]) != int(line[:_CHECKSUM_DIGITS], 16):
        return None
    return Record(line[_CHECKSUM_DIGITS + 1 : head.end() - 1].decode(), line[head.end() :])


def _salvage(line: bytes) -> list[Record | Damaged]:
    for tried, head in enumerate(_HEAD.finditer(line)):
        if tried == _PIECES_TRIED:
            break
        if (last := _record(line[head.start() :])) is not None:
            before = line[: head.start()]
            # Where a flipped bit made the newline another character, that character is not part of the record.
            first = _record(before) or _record(before[:-1])
            return [first or Damaged(before), last]
    return [Damaged(line)]
