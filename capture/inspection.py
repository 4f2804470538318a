"""What an operator asks: is everything there that capture needs, and what waits in the spool?"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from shopstream.schemas import Unavailable

from .backends import BackendMaker
from .counters import Counts
from .cursor import Position
from .settings import CaptureSettings
from .spool_directory import SpoolDirectory, WriterFolder, is_alive, lines_after, make_private


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Left:
    """What one backend has not acknowledged."""

    events: int
    size: int
    """In bytes."""


@dataclass(frozen=True)
class WriterStatus:
    """One writer's folder."""

    writer_id: str
    alive: bool
    segments: int
    size: int
    """In bytes."""
    left: dict[str, Left]
    """By backend."""


@dataclass(frozen=True)
class SpoolStatus:
    """The spool directory."""

    directory: str
    size: int
    """In bytes."""
    writers: list[WriterStatus]

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def check_everything(settings: CaptureSettings, makers: Mapping[str, BackendMaker]) -> list[Check]:
    """Try the spool directory and every backend that is on."""
    return [_check_spool(Path(settings.spool_directory)), *(_check_backend(*each) for each in makers.items())]


def spool_status(path: Path, backends: tuple[str, ...]) -> SpoolStatus:
    """What waits in the spool. Reads only."""
    writers = [
        WriterStatus(
            writer_id=folder.path.name,
            alive=is_alive(folder),
            segments=len(folder.segments()),
            size=folder.bytes_after(Position(0, 0)),
            left={backend: _left(folder, folder.cursor(backend, Counts()).position) for backend in backends},
        )
        for folder in SpoolDirectory(path, backends, Counts()).folders()
    ]
    return SpoolStatus(str(path), sum(writer.size for writer in writers), writers)


def _check_spool(path: Path) -> Check:
    name = "spool directory"
    try:
        make_private(path)
        with tempfile.TemporaryFile(dir=path) as probe:
            os.write(probe.fileno(), b"\n")
    except OSError as error:
        return Check(name, ok=False, detail=f"{path}: {error.strerror}")
    return Check(name, ok=True, detail=f"{path} takes files")


def _check_backend(name: str, make: BackendMaker) -> Check:
    try:
        backend = make()
        try:
            backend.check()
        finally:
            backend.close()
    except Unavailable as error:
        return Check(name, ok=False, detail=str(error))
    return Check(name, ok=True, detail="reachable")


def _left(folder: WriterFolder, position: Position) -> Left:
    events = 0
    for number in folder.segments():
        if number >= position.segment:
            events += lines_after(folder.segment(number), position.offset if number == position.segment else 0)
    return Left(events, folder.bytes_after(position))


def spool_trouble(path: Path, max_bytes: int) -> str | None:
    """Why the spool would not take an event now; None where it would."""
    if not (check := _check_spool(path)).ok:
        return check.detail
    size = SpoolDirectory(path, (), Counts()).size()
    return f"{path} holds {size:,} of {max_bytes:,} bytes" if size >= max_bytes else None
