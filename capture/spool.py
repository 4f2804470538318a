"""The spool of one process: appends records to its segments. Whatever the disk does, nobody is made to wait or fall.

No lock is held while the disk writes. A thread takes its numbers and the segment under a lock, and writes after it:
O_APPEND keeps the lines of threads apart, and a segment is closed by whoever lets go of it last.
"""

import errno
import fcntl
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from random import Random

from .counters import Counter, Counts
from .spool_directory import SpoolDirectory, WriterFolder
from .spool_format import Entry, encode, encode_numbered

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 1.0
"""A full spool is measured anew at most this often, a broken disk tried again as often."""
_LOOK_SECONDS = 0.05
"""Somebody deleting the spool under a writer is noticed this late; what it wrote meanwhile is still shipped."""
_TIMES_LEFT = 10
"""So often a segment may be left by another thread between an append's look at it and its write."""
_SEGMENT_MODE = 0o600
_LINE_OVERHEAD = 128
"""Bytes a line has at most beyond its document: checksum, event_type, writer_id and sequence."""
_LAST_WRITES_SECONDS = 1.0
"""Closing waits so long for writes that other threads have under way."""


class Segment:
    """A segment open for appending; closed when the last thread that writes to it has let go."""

    __slots__ = ("__weakref__", "descriptor", "number")

    def __init__(self, number: int, descriptor: int) -> None:
        self.number, self.descriptor = number, descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)


@dataclass(frozen=True)
class Numbers:
    """Those a writer of this process gave since the last time they were asked for."""

    writer_id: str
    first: int
    """The first of them; one more than `last` where there was none."""
    last: int
    """The last so far; 0 where there was never one."""
    skipped: int
    """How many of them went to events that the disk then did not take."""
    is_over: bool
    """True where the writer lost its folder, and gives no further one."""


class Spool:
    """Appends from every thread; each process, and each forked child, is a writer with a folder of its own."""

    def __init__(
        self,
        directory: SpoolDirectory,
        counts: Counts,
        *,
        max_bytes: int,
        segment_bytes: int,
        segment_seconds: float,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        random: Random,
        drops_oldest: bool = False,
    ) -> None:
        self.directory = directory
        self._drops_oldest = drops_oldest
        self._counts = counts
        self._max_bytes, self._segment_bytes, self._segment_seconds = max_bytes, segment_bytes, segment_seconds
        self._now, self._clock, self._random = now, clock, random
        self._start_afresh()
        _live_spools().add(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        """For taking numbers and swapping the segment; never held across I/O."""
        self._attending = threading.Lock()
        """Held by the one thread that opens, closes or measures; the others go on appending meanwhile."""
        self._folder: WriterFolder | None = None
        self._segment: Segment | None = None
        self._segments = 0
        self._rotate_at = 0.0
        self._sequence = 0
        self._accounted = self._skipped = 0
        """The last number that take_numbers() told of, and what was skipped since."""
        self._over: list[Numbers] = []
        self._writer_id = b""
        self._appended = 0
        """Bytes, of all segments. The next three are marks on the same scale."""
        self._began = 0
        """Where the segment begins."""
        self._full_at = -1
        """Where the spool is full, as it was last measured; -1 before it was."""
        self._attend_at = 0
        """Where an append must see to something first: a full segment, a full spool, no segment yet."""
        self._look_at = self._measure_at = self._try_at = 0.0
        self._complaints: set[str] = set()

    def append(self, entry: Entry, *, bounded: bool = True) -> bool:
        """Append one record, with one write; False where it was not kept, which is counted.

        With bounded=False it is kept even when the spool is full.
        """
        return self._append((entry,), len(entry.document) + _LINE_OVERHEAD, int(entry.numbered), bounded=bounded) == 1

    def append_many(self, entries: Sequence[Entry], *, bounded: bool = True) -> int:
        """The same for several, with one write; how many of them were kept, counted from the first."""
        size = sum(len(entry.document) + _LINE_OVERHEAD for entry in entries)
        return self._append(entries, size, sum(entry.numbered for entry in entries), bounded=bounded)

    def maintain(self) -> None:
        """What need not happen on the caller's thread: leave a segment that is old or gone, measure the room."""
        with self._attending:
            self._look_after_segment(self._clock())
        self._measure()

    def take_numbers(self) -> list[Numbers]:
        """The numbers given since the last call: by writers that lost their folder, then by the one there is."""
        with self._lock:
            taken, self._over = self._over, []
            if self._folder is not None:
                taken.append(self._numbers(is_over=False))
                self._accounted, self._skipped = self._sequence, 0
            return taken

    def _numbers(self, *, is_over: bool) -> Numbers:
        return Numbers(self._writer_id.decode(), self._accounted + 1, self._sequence, self._skipped, is_over)

    def make_room(self) -> None:
        """Where the oldest gives way to the newest: drop ahead of need, by a segment or an eighth of the spool.

        Then no caller has to; and writers of other processes, whose folders are shipped here, may not do it.
        """
        if self._drops_oldest:
            self._measure()
            self._drop_for(min(self._segment_bytes, self._max_bytes // 8))

    def usage(self) -> tuple[int, int]:
        """Bytes of the whole spool directory, and how many it may have."""
        return self.directory.size(), self._max_bytes

    def close(self) -> None:
        """Nothing more comes from this writer. A later append is a new writer's."""
        with self._attending:
            folder, last = self._folder, self._let_go()
            until = self._clock() + _LAST_WRITES_SECONDS
            while last is not None and last() is not None and self._clock() < until:
                time.sleep(0.001)
            if folder is not None:
                folder.active = None
                if folder.forward_lock is None:
                    folder.release()
            self._folder = None

    def forget(self) -> None:
        """In a forked child: the parent's segment is the parent's."""
        folder = self._folder
        self._start_afresh()
        if folder is not None:
            folder.release()
        self.directory.forget()
        self._counts.reset()

    def _append(self, entries: Sequence[Entry], size: int, numbers: int, *, bounded: bool) -> int:
        """How many were kept. `size` is the bytes they take at most, `numbers` how many of them get a number."""
        for _ in range(_TIMES_LEFT):
            if (kept := self._append_to_segment(entries, size, numbers, bounded=bounded)) is not None:
                return kept
        return self._refuse(len(entries), OSError(errno.EAGAIN, "the segment was left again and again"))

    def _append_to_segment(self, entries: Sequence[Entry], size: int, numbers: int, *, bounded: bool) -> int | None:
        """The same; None where another thread left the segment meanwhile, so that the next one is to be opened."""
        if self._appended + size > self._attend_at or self._clock() >= self._look_at:
            try:
                self._attend(size if bounded else 0)
            except OSError as error:
                return self._refuse(len(entries), error)
        with self._lock:
            segment, writer_id, sequence = self._segment, self._writer_id, self._sequence
            fits = segment is not None and not (bounded and self._appended + size > self._full_at)
            if fits:
                self._sequence = sequence + numbers
                self._appended += size
        if segment is None:
            shut = OSError(errno.EAGAIN, "the spool could not be opened a moment ago")
            return None if self._clock() >= self._try_at else self._refuse(len(entries), shut)
        if not fits:
            self._counts.add(Counter.REFUSED_FULL, len(entries))
            self._complain("full", f"the spool is full ({self._max_bytes:,} bytes)")
            return 0
        lines = _lines(entries, writer_id, sequence)
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        try:
            written = os.write(segment.descriptor, data)
        except OSError as error:
            return self._cut_short(segment, entries, lines, 0, error)
        if written != len(data):
            return self._cut_short(segment, entries, lines, written, OSError(errno.ENOSPC, "the disk is full"))
        if self._complaints:
            logger.warning("the spool takes events again")
            self._complaints.clear()
        return len(entries)

    def _refuse(self, entries: int, error: OSError) -> int:
        self._counts.add(Counter.REFUSED_DISK, entries)
        self._complain(errno.errorcode.get(error.errno or 0, "OSError"), "the disk does not take events")
        return 0

    def _cut_short(
        self, segment: Segment, entries: Sequence[Entry], lines: list[bytes], written: int, error: OSError
    ) -> int:
        """After a write that failed, or took a part only: how many lines are whole."""
        kept = 0
        while written >= len(lines[kept]):
            written -= len(lines[kept])
            kept += 1
        lost = entries[kept:]
        size = sum(len(entry.document) + _LINE_OVERHEAD for entry in lost)
        numbers = sum(entry.numbered for entry in lost)
        with self._lock:
            if segment is self._segment:
                self._appended -= size
                if numbers and lines[-1].endswith(b'"sequence":%d}\n' % self._sequence):
                    self._sequence -= numbers  # Nobody took a number since: the next event goes on without a gap.
                else:
                    self._skipped += numbers
        with self._attending:
            if segment is self._segment and (written or error.errno not in (errno.ENOSPC, errno.EDQUOT)):
                self._let_go()  # A torn line stays behind, at the end of a segment.
        self._refuse(len(lost), error)
        return kept

    def _attend(self, size: int) -> None:
        """See that there is a segment, and room for so many bytes. One thread does; the others use what there is."""
        if not self._attending.acquire(blocking=self._segment is None or self._lacks(size)):
            return
        try:
            moment = self._clock()
            self._look_at = moment + _LOOK_SECONDS
            self._look_after_segment(moment)
            # Before there is a segment: another thread that finds one believes what was measured.
            if self._lacks(size) and moment >= self._measure_at:
                self._measure()
                self._drop_for(size)
                self._measure_at = moment + _PATIENCE_SECONDS if self._lacks(size) else 0.0
            if self._segment is None:
                if moment < self._try_at:
                    return
                self._try_at = moment + _PATIENCE_SECONDS
                self._open_segment()
                self._rotate_at, self._try_at = moment + self._segment_seconds, 0.0
        finally:
            self._attending.release()

    def _look_after_segment(self, moment: float) -> None:
        """Leave the segment where it is full, old, or was deleted. By whoever holds `_attending`."""
        segment = self._segment
        if segment is None:
            return
        if os.fstat(segment.descriptor).st_nlink == 0:
            self._leave_lost_folder(segment)
        elif self._appended > self._began and (
            self._appended - self._began >= self._segment_bytes or moment >= self._rotate_at
        ):
            self._let_go()

    def _open_segment(self) -> None:
        if self._folder is not None and not self._folder.path.is_dir():
            self._leave_lost_folder(None)
        if self._folder is None:
            writer_id = f"{self._now():%Y%m%dT%H%M%S}-{os.getpid()}-{self._random.getrandbits(32):08x}"
            self._folder = self.directory.create(writer_id)
            self._writer_id, self._segments, self._sequence = writer_id.encode(), 0, 0
            self._accounted = self._skipped = 0
        number = self._segments + 1
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        segment = Segment(number, os.open(self._folder.segment(number), flags, _SEGMENT_MODE))
        # Another process that ships this folder knows by it when the last write to a segment has ended.
        fcntl.flock(segment.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._segments = self._folder.active = number
        with self._lock:
            self._segment, self._began = segment, self._appended
            self._mark()

    def _let_go(self) -> "weakref.ref[Segment] | None":
        """Append no more to the segment; gives what tells whether some thread still does."""
        with self._lock:
            segment, self._segment = self._segment, None
            self._mark()
        if segment is None or self._folder is None:
            return None
        last = weakref.ref(segment)
        self._folder.leave(segment.number, last)
        if self._appended == self._began:
            self._folder.delete_segment(segment.number)
        return last

    def _leave_lost_folder(self, segment: Segment | None) -> None:
        """Somebody deleted the folder: go on in another, and keep open what can still be read of this one."""
        folder, self._folder = self._folder, None
        if folder is None:
            return
        with self._lock:
            self._segment = None
            self._mark()
            self._over.append(self._numbers(is_over=True))
        lost = self._segments - self.directory.acknowledged(folder)
        if folder.forward_lock is None:
            folder.release()
        elif segment is not None:
            folder.kept_open[segment.number] = os.dup(segment.descriptor)
            folder.leave(segment.number, weakref.ref(segment))
            lost -= 1
        folder.active = None
        self._counts.add(Counter.SEGMENTS_LOST, max(lost, 0))
        self._complain("gone", "the spool was deleted while in use; going on in a new folder")

    def _measure(self) -> None:
        before = self._appended
        size = self.directory.size()
        with self._lock:
            # What was appended while measuring may or may not be in the figure: count it as taken.
            self._full_at = before + self._max_bytes - size
            self._mark()

    def _mark(self) -> None:
        """After one of the marks has moved; under the lock."""
        self._attend_at = -1 if self._segment is None else min(self._began + self._segment_bytes, self._full_at)

    def _lacks(self, size: int) -> bool:
        """True where the spool has no room for so many bytes."""
        return self._appended + size > self._full_at

    def _drop_for(self, size: int) -> None:
        """Where the oldest gives way to the newest: delete the oldest segments until there is room for so much."""
        while self._drops_oldest and self._lacks(size) and self.directory.drop_oldest():
            self._measure()

    def _complain(self, kind: str, what: str) -> None:
        """Once for each kind of trouble, until the spool has taken an event again."""
        if kind not in self._complaints:
            self._complaints.add(kind)
            logger.error("%s (%s); the counters say how many events were not kept", what, kind)


def _lines(entries: Sequence[Entry], writer_id: bytes, sequence: int) -> list[bytes]:
    """The lines of the entries; those that are numbered get the numbers after `sequence`."""
    lines = []
    for entry in entries:
        if entry.numbered:
            sequence += 1
            lines.append(encode_numbered(entry.event_type, entry.document, writer_id, sequence))
        else:
            lines.append(encode(entry.event_type, entry.document))
    return lines


@cache
def _live_spools() -> "weakref.WeakSet[Spool]":
    """Every spool of the process; made with the first one, and with it the hook that forks go through."""
    spools: weakref.WeakSet[Spool] = weakref.WeakSet()

    def forget_the_parents() -> None:
        for spool in spools:
            spool.forget()

    os.register_at_fork(after_in_child=forget_the_parents)
    return spools
