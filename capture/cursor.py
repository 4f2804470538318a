"""How far one backend has read one writer's segments, kept in a file beside them.

The file is replaced as a whole (write, then rename), so it is never half a position after a kill. It is not
fsynced: a power cut may take it back or leave it empty, and then events are sent again under the same event_id,
which is harmless; an fsync per batch would buy nothing but waiting.
"""

import os
import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LINE = re.compile(rb"([0-9a-f]{8}) (\d{1,12} \d{1,18})\n")


class Position(NamedTuple):
    """A place in a writer's segments: everything before it is acknowledged."""

    segment: int
    offset: int


START = Position(0, 0)


class Cursor:
    """The position of one backend. It moves only after the backend has acknowledged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.was_corrupt = False
        """True where the file could not be understood, so that reading starts again at what is still spooled."""
        self.position = self._read()

    def advance(self, position: Position) -> None:
        """Move on and write it down.

        Raises:
            OSError: The disk did not take it; in memory the cursor has moved all the same.
        """
        self.position = position
        content = b"%d %d" % position
        fresh = self._path.with_suffix(".new")
        # Not Path.write_bytes: the mode must be set when the file is made.
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, b"%08x %s\n" % (zlib.crc32(content), content))
        finally:
            os.close(descriptor)
        fresh.replace(self._path)

    def _read(self) -> Position:
        try:
            content = self._path.read_bytes()
        except OSError:
            return START
        with suppress(ValueError):
            return decode(content)
        self.was_corrupt = True
        return START


def decode(content: bytes) -> Position:
    """The position a cursor file holds.

    Raises:
        ValueError: The file is cut off or changed.
    """
    found = _LINE.fullmatch(content)
    if found is None or zlib.crc32(found[2]) != int(found[1], 16):
        raise ValueError("the cursor file is damaged")
    segment, offset = found[2].split()
    return Position(int(segment), int(offset))
