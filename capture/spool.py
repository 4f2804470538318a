"""The spool of one process: appends records to its segments. Whatever the disk does, nobody is made to wait or fall."""

import errno
import logging
import os
import threading
import weakref
from collections.abc import Callable
from datetime import datetime
from functools import cache
from random import Random

from .counters import Counter, Counts
from .spool_directory import SpoolDirectory, WriterFolder
from .spool_format import encode

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 1.0
"""A full spool is measured anew at most this often, a broken disk tried again as often."""
_LOOK_SECONDS = 0.05
"""Somebody deleting the spool under a writer is noticed this late; what it wrote meanwhile is still shipped."""
_SEGMENT_MODE = 0o600


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
    ) -> None:
        self.directory = directory
        self._counts = counts
        self._max_bytes, self._segment_bytes, self._segment_seconds = max_bytes, segment_bytes, segment_seconds
        self._now, self._clock, self._random = now, clock, random
        self._room: int
        self._appended: int
        self._start_afresh()
        _live_spools().add(self)

    def append(self, event_type: str, document: bytes, *, numbered: bool = True, bounded: bool = True) -> bool:
        """Append one JSON object as one record, with one write; False where it was not kept, which is counted.

        A numbered record takes the writer's next sequence number and carries it. With
        bounded=False it is kept even when the spool is full.
        """
        with self._lock:
            try:
                return self._append(event_type, document, numbered=numbered, bounded=bounded)
            except OSError as error:
                self._counts.add(Counter.REFUSED_DISK)
                self._complain(errno.errorcode.get(error.errno or 0, "OSError"), "the disk does not take events")
                return False

    def maintain(self) -> None:
        """What need not happen on the caller's thread: leave a segment that is old or gone, measure the room."""
        with self._lock:
            if self._descriptor is not None:
                if self._is_gone(self._descriptor):
                    self._leave_lost_folder()
                elif self._size and self._clock() >= self._rotate_at:
                    self._close_segment()
            before = self._appended
        size = self.directory.size()
        with self._lock:
            # What was appended while measuring may or may not be in the figure: count it as taken.
            self._room = self._max_bytes - size - (self._appended - before)

    def close(self) -> None:
        """Nothing more comes from this writer. A later append is a new writer's."""
        with self._lock:
            self._end_writer()

    def forget(self) -> None:
        """In a forked child: the parent's segment is the parent's."""
        descriptor, folder = self._descriptor, self._folder
        self._start_afresh()
        if descriptor is not None:
            os.close(descriptor)
        if folder is not None:
            folder.release()
        self.directory.forget()
        self._counts.reset()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._folder: WriterFolder | None = None
        self._descriptor: int | None = None
        self._segment = 0
        self._size = 0
        self._rotate_at = 0.0
        self._sequence = 0
        self._writer_id = b""
        self._room = 0
        self._appended = 0
        self._look_at = self._survey_at = self._try_at = 0.0
        self._complaints: set[str] = set()

    def _append(self, event_type: str, document: bytes, *, numbered: bool, bounded: bool) -> bool:
        descriptor = self._ready()
        if numbered:
            document = b'%s,"writer_id":"%s","sequence":%d}' % (document[:-1], self._writer_id, self._sequence + 1)
        line = encode(event_type, document)
        if bounded and self._room < len(line) and not self._has_room(len(line)):
            self._counts.add(Counter.REFUSED_FULL)
            self._complain("full", f"the spool is full ({self._max_bytes:,} bytes)")
            return False
        self._write(descriptor, line)
        self._sequence += numbered
        self._size += len(line)
        self._appended += len(line)
        self._room -= len(line)
        if self._complaints:
            logger.warning("the spool takes events again")
            self._complaints.clear()
        return True

    def _ready(self) -> int:
        """The descriptor of a segment that has room and is still there."""
        moment = self._clock()
        if self._descriptor is not None and moment >= self._look_at:
            self._look_at = moment + _LOOK_SECONDS
            if self._is_gone(self._descriptor):
                self._leave_lost_folder()
        if self._descriptor is not None and (self._size >= self._segment_bytes or moment >= self._rotate_at):
            self._close_segment()
        if self._descriptor is None:
            if moment < self._try_at:
                raise OSError(errno.EAGAIN, "the spool could not be opened a moment ago")
            self._try_at = moment + _PATIENCE_SECONDS
            self._descriptor = self._open_segment()
            self._rotate_at, self._try_at = moment + self._segment_seconds, 0.0
        return self._descriptor

    def _open_segment(self) -> int:
        if self._folder is not None and not self._folder.path.is_dir():
            self._leave_lost_folder()
        if self._folder is None:
            writer_id = f"{self._now():%Y%m%dT%H%M%S}-{os.getpid()}-{self._random.getrandbits(32):08x}"
            self._folder = self.directory.create(writer_id)
            self._writer_id, self._segment, self._sequence = writer_id.encode(), 0, 0
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        descriptor = os.open(self._folder.segment(self._segment + 1), flags, _SEGMENT_MODE)
        self._segment += 1
        self._folder.active = self._segment
        self._size = 0
        return descriptor

    def _write(self, descriptor: int, line: bytes) -> None:
        trouble = OSError(errno.ENOSPC, "the disk took a part of the line only")
        try:
            if os.write(descriptor, line) == len(line):
                return
        except OSError as error:
            trouble = error
        try:
            os.ftruncate(descriptor, self._size)
        except OSError:
            self._close_segment()  # The torn line stays behind, at the end of a segment.
        else:
            if trouble.errno not in (errno.ENOSPC, errno.EDQUOT):
                self._close_segment()
        raise trouble

    def _close_segment(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._folder is not None:
            if self._size == 0:
                self._folder.delete_segment(self._segment)
            self._folder.active = self._segment + 1

    def _leave_lost_folder(self) -> None:
        """Somebody deleted the folder: go on in another, and keep open what can still be read of this one."""
        folder, descriptor = self._folder, self._descriptor
        self._folder = self._descriptor = None
        if folder is None:
            return
        lost = self._segment - self.directory.acknowledged(folder)
        if descriptor is not None and folder.forward_lock is not None:
            folder.kept_open[self._segment] = descriptor
            lost -= 1
        elif descriptor is not None:
            os.close(descriptor)
        if folder.forward_lock is None:
            folder.release()
        self._counts.add(Counter.SEGMENTS_LOST, max(lost, 0))
        folder.active = None
        self._complain("gone", "the spool was deleted while in use; going on in a new folder")

    def _end_writer(self) -> None:
        if self._folder is not None:
            self._close_segment()
            self._folder.active = None
            if self._folder.forward_lock is None:
                self._folder.release()
        self._folder = None

    def _is_gone(self, descriptor: int) -> bool:
        return bool(os.fstat(descriptor).st_nlink == 0)

    def _has_room(self, wanted: int) -> bool:
        moment = self._clock()
        if moment < self._survey_at:
            return False
        self._survey_at = moment + _PATIENCE_SECONDS
        self._room = self._max_bytes - self.directory.size()
        return self._room >= wanted

    def _complain(self, kind: str, what: str) -> None:
        """Once for each kind of trouble, until the spool has taken an event again."""
        if kind not in self._complaints:
            self._complaints.add(kind)
            logger.error("%s (%s); the counters say how many events were not kept", what, kind)


@cache
def _live_spools() -> "weakref.WeakSet[Spool]":
    """Every spool of the process; made with the first one, and with it the hook that forks go through."""
    spools: weakref.WeakSet[Spool] = weakref.WeakSet()

    def forget_the_parents() -> None:
        for spool in spools:
            spool.forget()

    os.register_at_fork(after_in_child=forget_the_parents)
    return spools
