"""Takes a user out of what capture keeps on this host's disk: each line is written over where it stands.

What is left of an event is its identity and its writer's number, so that the ledger still adds up and nothing behind
the line moves: a writer may append and a forwarder read meanwhile. Downstream such a line is a failed event.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable
from zlib import crc32

import orjson

from shopstream.schemas.erasure import is_about

from .counters import Counts
from .spool_directory import SpoolDirectory, is_alive
from .spool_format import Record, parse

_NUMBER_FIELDS = ("writer_id", "sequence")


@runtime_checkable
class Erasing(Protocol):
    """A backend that keeps what it is sent where this host can reach it."""

    def erase(self, user_id: str) -> tuple[int, int]:
        """Take the user's events out; how many were found, and how many are left.

        Raises:
            Unavailable: It cannot be reached.
        """


def erase_from_spool(path: Path, user_id: str) -> tuple[int, int]:
    """Write over every line of the spool that is about the user; how many were found, and how many are left.

    Raises:
        OSError: A segment cannot be read or written.
    """
    found = sum(_erase_from_segment(*each, user_id) for each in _segments(path))
    left = sum(len(list(_lines_about(*each, user_id))) for each in _segments(path))
    return found, left


def emptied(document: bytes) -> bytes:
    """The JSON of an event, or of a failed event, of which nothing is kept but its identity; exactly as long."""
    fields = orjson.loads(document)
    kept = ("event_id", "stage", "failed_at") if "failed_at" in fields else ("event_id", "event_type")
    head = {name: fields[name] for name in kept if name in fields} | {"erased": True}
    tail = {name: fields[name] for name in _NUMBER_FIELDS if fields.get(name) is not None}
    text = json.dumps(head, separators=(",", ":"))[:-1]
    end = ("," + json.dumps(tail, separators=(",", ":"))[1:]) if tail else "}"
    # The number stands at the very end, where whoever reads a line in a hurry looks for it.
    room = len(document) - len(text) - len(end)
    # What has no room for it is no event of ours; nothing may reach into the next line.
    return (text + " " * room + end).encode() if room >= 0 else b"{}".ljust(len(document))


def _segments(path: Path) -> Iterator[tuple[Path, bool]]:
    """Each segment, and whether a torn last line of it is nobody's any more."""
    for folder in SpoolDirectory(path, (), Counts()).folders():
        is_dead = not is_alive(folder)
        for number in folder.segments():
            yield folder.segment(number), is_dead


def _lines_about(path: Path, is_dead: bool, user_id: str) -> Iterator[tuple[int, bytes]]:
    """Where each line about the user begins, and the line without its newline."""
    offset = 0
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return  # Shipped and deleted meanwhile.
    for line in content.split(b"\n"):
        is_whole = offset + len(line) < len(content)
        parts = parse(line) if is_whole or is_dead else []
        if any(is_about(part.document if isinstance(part, Record) else part.content, {user_id: ()}) for part in parts):
            yield offset, line
        offset += len(line) + 1


def _erase_from_segment(path: Path, is_dead: bool, user_id: str) -> int:
    found = list(_lines_about(path, is_dead, user_id))
    if found:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            for offset, line in found:
                os.pwrite(descriptor, _written_over(line), offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return len(found)


def _written_over(line: bytes) -> bytes:
    """A record as long as this one without what it said; of a damaged line only its length."""
    parts = parse(line)
    if len(parts) == 1 and isinstance(record := parts[0], Record):
        body = record.event_type.encode() + b" " + emptied(record.document)
        return b"%08x %b" % (crc32(body), body)
    return b"x" * len(line)


def erase_from_file(path: Path, user_id: str) -> tuple[int, int]:
    """The same for a file of events as NDJSON, whose last line is whole; the caller keeps others from writing.

    Raises:
        OSError: It cannot be read or written.
    """
    found, offset = 0, 0
    with path.open("r+b") as file:
        lines = file.read().split(b"\n")
        for line in lines:
            if line and is_about(line, {user_id: ()}):
                os.pwrite(file.fileno(), emptied(line), offset)
                found += 1
            offset += len(line) + 1
        os.fsync(file.fileno())
    return found, sum(is_about(line, {user_id: ()}) for line in path.read_bytes().split(b"\n") if line)
