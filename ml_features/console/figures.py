"""What a page shows, read beside the page: a page is there in time even where the warehouse is not."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from shopstream.schemas import SettingsError, Unavailable

from ..clock import Clock
from ..warehouse import Refused

logger = logging.getLogger(__name__)

PAGE_SECONDS = 0.15
"""So long a page waits for its figures; what comes later, the page asks for again."""
FRESH_SECONDS = 10.0
"""A figure is read again when it is older."""
MOST_KEPT = 500

State: TypeAlias = Literal["fresh", "stale", "pending", "failed"]
Read: TypeAlias = Callable[[], Any]


@dataclass(frozen=True)
class Figure:
    """Something a page shows."""

    state: State
    """`stale`: from before, for the warehouse does not answer; `pending`: asked for, and not there yet."""
    value: Any = None
    read_at: datetime | None = None
    """When the warehouse gave it."""
    why: str | None = None
    """What went wrong, where it is stale or failed."""

    @property
    def is_there(self) -> bool:
        """Whether there is anything to show."""
        return self.state in ("fresh", "stale")


@dataclass
class _Kept:
    value: Any = None
    read_at: datetime | None = None
    monotonic: float = float("-inf")
    reading: "Future[None] | None" = None
    why: str | None = None


class Figures:
    """Remembers what was read a moment ago, reads the rest in threads, and gives what there is in time."""

    def __init__(self, worker: Executor, clock: Clock) -> None:
        self._worker, self._clock = worker, clock
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    async def of(self, scope: Hashable, reads: Mapping[str, Read], seconds: float = PAGE_SECONDS) -> dict[str, Figure]:
        """The figures of a page by name, after so many seconds at most; `scope` says what the page is about."""
        wanted = {name: self._asked((scope, name), read) for name, read in reads.items()}
        reading = [asyncio.wrap_future(kept.reading) for kept in wanted.values() if kept.reading is not None]
        if reading:
            await asyncio.wait(reading, timeout=seconds)
        return {name: _figure(kept) for name, kept in wanted.items()}

    def forget(self) -> None:
        """Read everything anew: something was changed."""
        self._kept.clear()

    def _asked(self, key: Hashable, read: Read) -> _Kept:
        kept = self._kept.setdefault(key, _Kept())
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        is_old = self._clock.monotonic() - kept.monotonic > FRESH_SECONDS
        if is_old and (kept.reading is None or kept.reading.done()):
            kept.reading = self._worker.submit(self._read, kept, read)
        return kept

    def _read(self, kept: _Kept, read: Read) -> None:
        try:
            value = read()
        except (Unavailable, Refused, SettingsError) as error:
            logger.warning("a figure of the console could not be read: %s", error)
            kept.why = str(error)
            return
        kept.value, kept.read_at, kept.why = value, self._clock.now(), None
        kept.monotonic = self._clock.monotonic()


def _figure(kept: _Kept) -> Figure:
    if kept.why is not None:
        return Figure("failed" if kept.read_at is None else "stale", kept.value, kept.read_at, kept.why)
    if kept.read_at is None:
        return Figure("pending")
    return Figure("fresh", kept.value, kept.read_at)
