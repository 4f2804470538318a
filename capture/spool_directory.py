"""The spool directory: one folder per writer, and which process ships which folder.

    <directory>/<writer_id>/
        writer.lock          held (flock) by the writer for its life: who gets it knows the writer is dead
        forward.lock         held by the one process that ships the folder and deletes what was acknowledged
        00000001.segment     lines of spool_format, only ever appended to; held (flock) while somebody appends to it
        pubsub.cursor        how far a backend has acknowledged

A lock goes with its process, however it ends, so a dead writer's folder is taken over by exactly one other.
"""

import errno
import fcntl
import os
import re
import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from .counters import Counter, Counts
from .cursor import Cursor, Position
from .tally import Tally

_WRITER_LOCK = "writer.lock"
_FORWARD_LOCK = "forward.lock"
_SUFFIX = ".segment"
_HIDDEN = "."
_WRITER_ID = re.compile(r"\d{8}T\d{6}-\d+-[0-9a-f]{8}", re.ASCII)
"""When the writer began (UTC), its process id, a random part."""
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_COUNTED_AT_ONCE = 256 * 1024
_HALF_MADE_SECONDS = 60.0
"""A folder that has no name after so long was given up by its maker, which needs less than a millisecond."""


class WriterFolder:
    """What one writer has spooled, as the process sees it that writes it, ships it, or both."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer_lock: int | None = None
        """Held here: the writer is this process, or it is dead."""
        self.forward_lock: int | None = None
        """Held here: this process ships the folder."""
        self.active: int | None = None
        """The segment that a writer of this process appends to, or will."""
        self._left: dict[int, Callable[[], object | None]] = {}
        """Segments that writer has left, by what gives None once the last thread has ended its write to it."""
        self.kept_open: dict[int, int] = {}
        """Segments somebody has unlinked, by the descriptor through which they can still be read."""
        self._cursors: dict[str, Cursor] = {}
        self._in_hand: dict[str, int] = {}
        """The segment each backend's forwarder reads; it is not dropped."""
        self.tally = Tally()
        """For the ledger."""
        self._guard = threading.Lock()

    def segments(self) -> list[int]:
        """The numbers of the segments there are, in order."""
        found = {int(name[: -len(_SUFFIX)]) for name in _names(self.path) if _is_segment(name)}
        return sorted(found | self.kept_open.keys())

    def segment(self, number: int) -> Path:
        """The file of a segment."""
        return self.path / f"{number:08d}{_SUFFIX}"

    def open_segment(self, number: int) -> int:
        """A descriptor to read the segment from.

        Raises:
            OSError: It is gone, or cannot be read.
        """
        kept = self.kept_open.get(number)
        return os.open(self.segment(number), os.O_RDONLY) if kept is None else os.dup(kept)

    def is_final(self, number: int) -> bool:
        """True where nothing will be appended to the segment any more. Ask before reading to its end."""
        if (last := self._left.get(number)) is not None and last() is not None:
            return False
        if self.active is not None:
            return number < self.active
        if self._is_writer_dead():
            return True
        return number < max(self.segments(), default=0) and not _is_locked(self.segment(number))

    def take_in_hand(self, backend: str, number: int) -> int:
        """A descriptor to read the segment from; from now on it is not dropped, until the backend takes another.

        Raises:
            OSError: It is gone, or cannot be read.
        """
        with self._guard:
            descriptor = self.open_segment(number)
            self._in_hand[backend] = number
            return descriptor

    def drop(self, number: int, backends: Sequence[str], counts: Counts) -> int | None:
        """Delete the segment; how many records some backend did not have, or None where it is still in use."""
        positions = [self.cursor(backend, counts).position for backend in backends]
        first = min(positions, default=Position(0, 0))
        if not self.is_final(number):
            return None
        with self._guard:
            if number in self._in_hand.values():
                return None
            offset = 0 if number > first.segment else first.offset
            records = lines_after(self.segment(number), offset) if number >= first.segment else 0
            self.delete_segment(number)
            return records

    def leave(self, number: int, last: Callable[[], object | None]) -> None:
        """No new write goes to this segment; those under way keep `last` alive."""
        self._left[number] = last
        self.active = number + 1

    def cursor(self, backend: str, counts: Counts) -> Cursor:
        """How far this backend has read; the same object for everybody in this process."""
        with self._guard:
            if (cursor := self._cursors.get(backend)) is None:
                cursor = self._cursors[backend] = Cursor(self.path / f"{backend}.cursor")
                if cursor.was_corrupt:
                    counts.add(Counter.CURSORS_RESET)
            return cursor

    def bytes_after(self, position: Position) -> int:
        """How much has been spooled beyond this position."""
        total = 0
        for number in self.segments():
            if number >= position.segment:
                size = self.size(number)
                total += max(size - position.offset, 0) if number == position.segment else size
        return total

    def delete_segment(self, number: int) -> None:
        """Remove what every backend has."""
        self._left.pop(number, None)
        with suppress(OSError):
            self.segment(number).unlink()
        if (kept := self.kept_open.pop(number, None)) is not None:
            _close(kept)

    def delete(self) -> None:
        """Remove the folder of a writer that is no more, with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let others ship it. After a fork this closes the child's copies and leaves the parent's locks be."""
        locks = self.forward_lock, self.writer_lock
        self.forward_lock = self.writer_lock = self.active = None
        kept, self.kept_open = self.kept_open, {}
        for descriptor in (*kept.values(), *(lock for lock in locks if lock is not None)):
            _close(descriptor)

    def _is_writer_dead(self) -> bool:
        with self._guard:
            if self.writer_lock is None:
                self.writer_lock = _lock(self.path / _WRITER_LOCK)
            return self.writer_lock is not None

    def size(self, number: int) -> int:
        """Bytes of one segment; 0 where it is gone."""
        try:
            if (kept := self.kept_open.get(number)) is not None:
                return os.fstat(kept).st_size
            return self.segment(number).stat().st_size
        except OSError:
            return 0


class SpoolDirectory:
    """Every folder of the spool, and those among them that this process ships."""

    def __init__(self, path: Path, backends: Sequence[str], counts: Counts) -> None:
        self.path = path
        self.backends = tuple(backends)
        self._counts = counts
        self._shipped: dict[str, WriterFolder] = {}
        self._lock = threading.Lock()

    def release(self) -> None:
        """Ship nothing any more: others may."""
        with self._lock:
            while self._shipped:
                self._shipped.popitem()[1].release()

    def forget(self) -> None:
        """In a forked child: what its parent ships is its parent's."""
        self._lock = threading.Lock()
        self.release()

    def create(self, writer_id: str) -> WriterFolder:
        """A folder for a new writer of this process; shipped by this process where it has backends.

        Raises:
            OSError: The disk does not take it.
        """
        make_private(self.path)
        # Locked under a name nobody looks at, then renamed: no other process ever sees it unlocked.
        hidden = self.path / f"{_HIDDEN}{writer_id}"
        hidden.mkdir(_PRIVATE_FOLDER)
        folder = WriterFolder(self.path / writer_id)
        folder.writer_lock = _lock(hidden / _WRITER_LOCK)
        if self.backends:
            folder.forward_lock = _lock(hidden / _FORWARD_LOCK)
        try:
            if folder.writer_lock is None:
                raise BlockingIOError(errno.EAGAIN, "the new folder could not be locked", str(folder.path))
            hidden.rename(folder.path)
        except OSError:
            folder.release()
            raise
        folder.active = 1  # Before anybody looks: a folder whose writer is at nothing may be swept away.
        if folder.forward_lock is not None:
            with self._lock:
                self._shipped[writer_id] = folder
        return folder

    def folders(self) -> list[WriterFolder]:
        """Every folder there is, for looking at."""
        return [WriterFolder(self.path / name) for name in sorted(_names(self.path)) if _WRITER_ID.fullmatch(name)]

    def shipped(self) -> list[WriterFolder]:
        """The folders this process ships, the oldest writer first."""
        with self._lock:
            return [self._shipped[name] for name in sorted(self._shipped)]

    def take_over(self) -> None:
        """Ship from now on every folder that nobody else ships: those of the dead, and of writers without backends."""
        with self._lock:
            for folder in self.folders():
                if folder.path.name in self._shipped:
                    continue
                folder.forward_lock = _lock(folder.path / _FORWARD_LOCK)
                if folder.forward_lock is not None:
                    self._shipped[folder.path.name] = folder
                    self._counts.add(Counter.FOLDERS_TAKEN_OVER)

    def drop_oldest(self) -> int:
        """Make room: delete the oldest segment that is not the newest of its writer, nor being sent just now.

        Only in folders that this process ships. Gives, and counts, the records it held that some backend did not
        have; 0 where there is no such segment.
        """
        with self._lock:
            for name in sorted(self._shipped):
                folder = self._shipped[name]
                for number in folder.segments():
                    dropped = folder.drop(number, self.backends, self._counts)
                    if dropped:
                        self._counts.add(Counter.DROPPED_OLDEST, dropped)
                        folder.tally.note_dropped(dropped)
                        return dropped
        return 0

    def finished(self) -> list[WriterFolder]:
        """The folders whose writers are no more and of which every backend has everything."""
        with self._lock:
            return [folder for folder in self._shipped.values() if self._is_finished(folder)]

    def sweep(self, finished: Collection[str]) -> None:
        """Delete what every backend has acknowledged, and of the folders that are finished those named here."""
        with self._lock:
            for name, folder in list(self._shipped.items()):
                done = self.acknowledged(folder) + 1
                for number in folder.segments():
                    if number < done:
                        folder.delete_segment(number)
                if name in finished and self._is_finished(folder):
                    del self._shipped[name]
                    folder.delete()

    def _is_finished(self, folder: WriterFolder) -> bool:
        done = self.acknowledged(folder) + 1
        return folder.active is None and all(number < done for number in folder.segments()) and folder.is_final(done)

    def clear_half_made(self, now: datetime) -> None:
        """Remove folders whose maker died between making and naming them.

        Only those older than any maker needs: between making a folder and locking it nothing says that it lives.
        """
        for name in _names(self.path):
            if name[:1] != _HIDDEN or not _WRITER_ID.fullmatch(name[1:]):
                continue
            half_made = self.path / name
            with suppress(OSError):  # Named, or cleared by another process, meanwhile.
                if now.timestamp() - half_made.stat().st_mtime < _HALF_MADE_SECONDS:
                    continue
                if (lock := _lock(half_made / _WRITER_LOCK)) is not None:
                    shutil.rmtree(half_made, ignore_errors=True)
                    _close(lock)

    def acknowledged(self, folder: WriterFolder) -> int:
        """The number of the last segment that every backend has to its end."""
        positions = [folder.cursor(backend, self._counts).position for backend in self.backends]
        return max(min((position.segment for position in positions), default=0) - 1, 0)

    def left(self) -> int:
        """Bytes that some backend has not acknowledged yet, in the folders this process ships."""
        return sum(
            max(folder.bytes_after(folder.cursor(backend, self._counts).position) for backend in self.backends)
            for folder in self.shipped()
        )

    def size(self) -> int:
        """Bytes of all segments of all writers."""
        return sum(folder.bytes_after(Position(0, 0)) for folder in self.folders())


def make_private(path: Path) -> None:
    """The folder, readable by its owner only; one that is there already is left as it is.

    Raises:
        OSError: The disk does not take it.
    """
    path.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)


def is_alive(folder: WriterFolder) -> bool:
    """True where the folder's writer still runs."""
    held = _lock(folder.path / _WRITER_LOCK)
    if held is not None:
        _close(held)
    return held is None


def lines_after(path: Path, offset: int) -> int:
    """Lines of a segment beyond an offset, one that is cut off included; 0 where it is gone."""
    lines, last = 0, b"\n"
    try:
        with path.open("rb", buffering=0) as segment:
            segment.seek(offset)
            while piece := segment.read(_COUNTED_AT_ONCE):
                lines += piece.count(b"\n")
                last = piece
    except OSError:
        return lines  # Shipped and deleted meanwhile.
    return lines + (not last.endswith(b"\n"))


def _is_locked(path: Path) -> bool:
    """True where a thread of the segment's writer may still write to it: it is locked until the last has ended."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        _close(descriptor)
    return False


def _lock(path: Path) -> int | None:
    """The descriptor that holds the lock, or None where another process has it or the file was replaced."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last owner may have deleted the file between our opening and our locking it.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except OSError:
        pass
    _close(descriptor)
    return None


def _names(path: Path) -> list[str]:
    with suppress(OSError):
        return os.listdir(path)  # noqa: PTH208 - names are all that is wanted, and this is once a batch
    return []


def _is_segment(name: str) -> bool:
    return name.endswith(_SUFFIX) and name[: -len(_SUFFIX)].isdigit()


def _close(descriptor: int) -> None:
    with suppress(OSError):
        os.close(descriptor)
