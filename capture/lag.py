"""How far one backend is behind: in events, in bytes of the spool, in seconds.

Newlines are counted, each once: what was counted is remembered, so that asking every second reads what was
appended in that second only. The first answer after a start counts what is left from before.
"""

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shopstream.schemas.identifiers import made_at

from .counters import Counts
from .cursor import Position
from .spool_directory import WriterFolder

_COUNTED_AT_ONCE = 256 * 1024
_FIRST_LINE_BYTES = 4096
"""The event_id stands near the start of a line, or the segment's own time is taken."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What a backend has not acknowledged."""

    events: int
    """Lines of the spool, each an event or a failed event."""
    size: int
    """In bytes."""
    seconds: float
    """Age of the oldest by its event_id, which says when it was captured; 0 where there is none."""


@dataclass(slots=True)
class _Counted:
    """Newlines of a segment up to a place."""

    offset: int = 0
    lines: int = 0


@dataclass(slots=True)
class _Folder:
    written: dict[int, _Counted] = field(default_factory=dict)
    acknowledged: tuple[int, _Counted] = field(default_factory=lambda: (0, _Counted()))
    oldest: tuple[Position, datetime | None] = (Position(-1, 0), None)


class LagMeter:
    """Measures the folders that this process ships. Any thread may ask."""

    def __init__(self, backend: str, counts: Counts) -> None:
        self._backend, self._counts = backend, counts
        self._known: dict[str, _Folder] = {}
        self._lock = threading.Lock()

    def measure(self, folders: Iterable[WriterFolder], now: datetime) -> Lag:
        """The lag over all folders."""
        with self._lock:
            known, self._known = self._known, {}
            events = size = 0
            oldest: datetime | None = None
            for folder in folders:
                name = folder.path.name
                state = self._known[name] = known.get(name) or _Folder()
                position = folder.cursor(self._backend, self._counts).position
                waiting = folder.bytes_after(position)
                if not waiting:
                    continue
                size += waiting
                events += _lines_after(folder, position, state)
                found = _oldest(folder, position, state)
                if found is not None and (oldest is None or found < oldest):
                    oldest = found
        return Lag(events, size, max((now - oldest).total_seconds(), 0.0) if oldest else 0.0)


def _lines_after(folder: WriterFolder, position: Position, state: _Folder) -> int:
    numbers = [number for number in folder.segments() if number >= position.segment]
    state.written = {number: state.written.get(number) or _Counted() for number in numbers}
    for number, counted in state.written.items():
        _count(folder, number, counted, folder.size(number))
    total = sum(counted.lines for counted in state.written.values())
    if position.segment not in state.written:
        return total
    number, before = state.acknowledged
    if number != position.segment or before.offset > position.offset:
        state.acknowledged = number, before = position.segment, _Counted()
    _count(folder, number, before, position.offset)
    return max(total - before.lines, 0)


def _count(folder: WriterFolder, number: int, counted: _Counted, until: int) -> None:
    if counted.offset >= until:
        return
    with suppress(OSError):  # Shipped and deleted meanwhile.
        descriptor = folder.open_segment(number)
        try:
            while counted.offset < until:
                piece = os.pread(descriptor, min(_COUNTED_AT_ONCE, until - counted.offset), counted.offset)
                if not piece:
                    break
                counted.lines += piece.count(b"\n")
                counted.offset += len(piece)
        finally:
            os.close(descriptor)


def _oldest(folder: WriterFolder, position: Position, state: _Folder) -> datetime | None:
    if state.oldest[0] == position:
        return state.oldest[1]
    for number in folder.segments():
        offset = position.offset if number == position.segment else 0
        if number < position.segment or folder.size(number) <= offset:
            continue
        with suppress(OSError):
            descriptor = folder.open_segment(number)
            try:
                line = os.pread(descriptor, _FIRST_LINE_BYTES, offset).partition(b"\n")[0]
                found = made_at(line) or datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
            finally:
                os.close(descriptor)
            state.oldest = position, found
            return found
    return None
