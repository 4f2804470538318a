"""Reads what one writer has spooled, for one backend: from the cursor on, a batch at a time.

A forwarder lives in the service's process and shares the interpreter's lock with it. So it reads small pieces: each
takes some fifty microseconds to parse, and each read that follows lets the other threads in.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field

from .counters import Counter, Counts
from .cursor import Position
from .spool_directory import WriterFolder
from .spool_format import Damaged, Record, complete_lines, parse, parse_intact

PIECE_BYTES = 32 * 1024
LONGEST_LINE_BYTES = 4 * 1024 * 1024
"""So much without a newline is no line: a hole that a disk or a person made."""


@dataclass(slots=True)
class Reading:
    """What was read at once, and where to go on."""

    position: Position
    """Where the cursor may go once all of it is safe."""
    records: list[Record] = field(default_factory=list)
    damaged: list[tuple[Damaged, str]] = field(default_factory=list)
    """With its place in the spool, which is the same whenever it is read."""
    is_all: bool = False
    """True where it went to the end of what there was."""


class FolderReader:
    """Holds the segment it reads open, so that it can be read even when it is unlinked, and without looking it up."""

    def __init__(
        self, folder: WriterFolder, backend: str, counts: Counts, *, most_events: int, most_bytes: int
    ) -> None:
        self.folder, self.cursor = folder, folder.cursor(backend, counts)
        self._backend, self._counts = backend, counts
        self._most_events, self._most_bytes = most_events, most_bytes
        self._number = 0
        self._descriptor: int | None = None
        self._looked_for = -1

    def close(self) -> None:
        """Let go of the segment."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def read(self, *, look: bool) -> Reading | None:
        """The next batch; None where there is nothing to read now. `look` lists the folder where a segment is absent.

        Raises:
            OSError: What is there cannot be read now.
        """
        offset = self._open(look=look)
        if offset is None or self._descriptor is None:
            return None
        reading = self._read_lines(self._descriptor, offset)
        if reading.position.offset != offset:
            return reading
        return self._read_end(self._descriptor, offset)

    def _read_lines(self, descriptor: int, offset: int) -> Reading:
        reading = Reading(Position(self._number, offset))
        at, enough = offset, offset + self._most_bytes
        while at < enough and len(reading.records) < self._most_events:
            piece = os.pread(descriptor, PIECE_BYTES, at)
            at_end = len(piece) < PIECE_BYTES
            lines, length = complete_lines(piece)
            if not lines and not at_end:
                piece = os.pread(descriptor, LONGEST_LINE_BYTES, at)
                at_end = len(piece) < LONGEST_LINE_BYTES
                lines, length = complete_lines(piece)
                if not lines and not at_end:
                    reading.damaged.append((Damaged(piece), self._place(at, 0)))
                    length = len(piece)
            self._add(reading, lines, at)
            at += length
            if at_end:
                reading.is_all = True
                break
        reading.position = Position(self._number, at)
        return reading

    def _read_end(self, descriptor: int, offset: int) -> Reading | None:
        """Where no whole line follows: step over what is torn, go back where the cursor is wrong, or go on."""
        if os.fstat(descriptor).st_size < offset:
            self._counts.add(Counter.CURSORS_RESET, backend=self._backend)
            return Reading(Position(self._number, 0))
        if not self.folder.is_final(self._number):
            return None
        piece = os.pread(descriptor, LONGEST_LINE_BYTES, offset)  # After the yes: it is all there will be.
        lines, length = complete_lines(piece)
        reading = Reading(Position(self._number, offset + (length or len(piece))))
        if lines:
            self._add(reading, lines, offset)
        elif piece:
            reading.damaged.append((Damaged(piece), self._place(offset, 0)))
        else:
            self.close()
            reading.position = Position(self._number + 1, 0)
        return reading

    def _add(self, reading: Reading, lines: list[bytes], at: int) -> None:
        if (records := parse_intact(lines)) is not None:
            reading.records += records
            return
        for line in lines:
            for place, found in enumerate(parse(line)):
                if isinstance(found, Record):
                    reading.records.append(found)
                else:
                    reading.damaged.append((found, self._place(at, place)))
            at += len(line) + 1

    def _open(self, *, look: bool) -> int | None:
        """Where to read on in the segment, which is then open; None where there is none yet."""
        number, offset = self.cursor.position
        if self._descriptor is not None:
            if self._number == number:
                return offset
            self.close()
        if number == 0:
            number = 1
        if self._take(number):
            return offset
        if self.folder.active is not None and self.folder.active <= number and not self.folder.kept_open:
            return None  # Its writer is ours, and has not made it yet.
        if not look and self._looked_for == number:
            return None
        self._looked_for = number
        later = [found for found in self.folder.segments() if found > number]
        return 0 if later and self._take(later[0]) else None

    def _take(self, number: int) -> bool:
        try:
            self._descriptor = self.folder.take_in_hand(self._backend, number)
        except FileNotFoundError:
            return False
        self._number = number
        return True

    def _place(self, at: int, place: int) -> str:
        return f"{self.folder.path.name}/{self._number}/{at}/{place}"
