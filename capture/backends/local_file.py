"""Local files as a backend: NDJSON, one file for each event_type and day, appended to.

    <path>/search/date=2026-11-21/events.ndjson         0600, in folders of 0700

Every process that is given the same path appends to the same files, one at a time (flock). A batch is synced to the
disk before it is acknowledged, for the spool then deletes its own copy: what is acknowledged survives a power cut.
A line that a crash cut off was never acknowledged; who appends next takes it away first, so that every line of a file
is whole. A batch that is sent again is appended again, with the same event_ids.
"""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shopstream.schemas import Unavailable

from ..erase import erase_from_file
from ..spool_directory import make_private
from . import Batch
from .layout import by_folder, ndjson

_FILE = "events.ndjson"
_PRIVATE_FILE = 0o600
_BLOCK_BYTES = 65_536
_WHAT_TO_DO = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the quota is used up: make room",
    errno.EFBIG: "a file has reached the size this process may write: raise its limit",
    errno.EACCES: "this process may not write there: give it the right",
    errno.EPERM: "this process may not write there: give it the right",
    errno.EROFS: "the file system is read-only: mount it for writing, or correct CAPTURE_FILE_PATH",
    errno.ENOTDIR: "a part of the path is no folder: correct CAPTURE_FILE_PATH",
    errno.EEXIST: "a part of the path is no folder: correct CAPTURE_FILE_PATH",
    errno.EIO: "the disk fails: see the system's log",
}
"""Errors of the disk. None is an event's own fault, so none is Rejected."""


class LocalFile:
    """Appends to files below one folder, which it makes where it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, batch: Batch) -> None:
        """Append the batch and have the disk write it."""
        with _translated(self._path):
            for folder, records in by_folder(batch, hours=False).items():
                _append(self._path / folder / _FILE, ndjson(records))

    def check(self) -> None:
        """See whether the folder takes files."""
        with _translated(self._path):
            make_private(self._path)
            with tempfile.TemporaryFile(dir=self._path) as probe:
                os.write(probe.fileno(), b"\n")

    def erase(self, user_id: str) -> tuple[int, int]:
        """Write over every line about the user; how many were found, and how many are left.

        Raises:
            Unavailable: A file cannot be read or written.
        """
        found = left = 0
        with _translated(self._path):
            for path in sorted(self._path.glob(f"*/*/{_FILE}")):
                with path.open("rb") as held:
                    fcntl.flock(held, fcntl.LOCK_EX)
                    here = erase_from_file(path, user_id)
                found, left = found + here[0], left + here[1]
        return found, left

    def close(self) -> None:
        """Nothing is held open between batches."""


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = _WHAT_TO_DO.get(error.errno or 0, error.strerror or type(error).__name__)
        raise Unavailable(f"files below {path}: {what}") from None


def _append(path: Path, lines: bytes) -> None:
    _make_folders(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, _PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # Held for a write and a sync; it goes with the process.
        end = _end_of_last_line(descriptor)
        if end < os.fstat(descriptor).st_size:
            os.ftruncate(descriptor, end)
        try:
            _write(descriptor, lines)
            os.fsync(descriptor)
        except OSError:
            # All of it will be sent again. Where even this fails, the next append takes the torn line away.
            with suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
        if end == 0:
            _sync_folder(path.parent)
    finally:
        os.close(descriptor)


def _write(descriptor: int, lines: bytes) -> None:
    left = memoryview(lines)
    while left:
        left = left[os.write(descriptor, left) :]


def _end_of_last_line(descriptor: int) -> int:
    """Where the next line begins: behind the last newline."""
    position = os.fstat(descriptor).st_size
    while position:
        start = max(position - _BLOCK_BYTES, 0)
        newline = os.pread(descriptor, position - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


def _make_folders(folder: Path) -> None:
    """The folder and those above it, each private and each known to the disk."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    make_private(folder)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
