"""Takes an event from the caller: validate, scrub, append to the spool, return."""

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Self, TypeVar

from shopstream.schemas import Event, FailedEvent, Stage, Unavailable
from shopstream.schemas.message import FAILED_EVENT

from .counters import Counter, Counts
from .forwarder import Forwarder
from .health import Health, health_of
from .intake import Intake, Refused
from .ledger import Ledger
from .spool import Spool
from .spool_format import Entry

logger = logging.getLogger(__name__)

_BYTES_AT_ONCE = 256 * 1024
"""track_many writes about so much at once."""
_Given = TypeVar("_Given")


class Capture:
    """The door of the pipeline, for every thread and every forked child of a service.

    `track` does no network work and never raises for anything the environment does. What it returned an event_id
    for is in the spool, and survives the process.
    """

    def __init__(
        self,
        spool: Spool,
        forwarders: Sequence[Forwarder],
        counts: Counts,
        *,
        intake: Intake,
        ledger: Ledger,
        strict: bool,
        drain_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._spool, self._forwarders, self._counts = spool, tuple(forwarders), counts
        self._intake, self._ledger, self._strict, self._drain_seconds = intake, ledger, strict, drain_seconds
        self._clock = clock
        self._asleep = False
        self._closed = False
        self._complained = False
        _live_captures().add(self)

    def track(self, event: Event | Mapping[str, object]) -> str | None:
        """Keep the event and give its event_id; None where it was not kept as an event, which is counted.

        event_id, occurred_at, source and schema_version are filled in where they are absent, and what the current
        context says (`context`, `CaptureContext`); a search gets an intent. Personal data is scrubbed, consent kept
        to. A wrong event becomes a failed event, with its bytes.

        Raises:
            Rejected: In strict mode only: the event is wrong. The text holds no value of it.
        """
        return self._track(self._intake.take, event)

    def track_or_reject(self, event: Event | Mapping[str, object]) -> str | None:
        """The same for a caller that has to answer for each event; None where consent forbids to keep it.

        Raises:
            Rejected: The event is wrong, and became a failed event. The text holds no value of it.
            Unavailable: The spool did not take it; the same may be taken later.
        """
        if self._asleep:
            self._wake()
        try:
            taken = self._intake.take(event)
        except Exception:
            self._counts.add(Counter.CRASHED)
            raise
        if isinstance(taken, Refused):
            self._keep_failed(taken)
            raise taken.rejection
        event_id = self._keep(taken)
        if taken is not None and event_id is None:
            raise Unavailable("the spool does not take events now; the counters say why")
        return event_id

    def track_many(self, events: Iterable[Event | Mapping[str, object]]) -> list[str | None]:
        """The same for several, in their order, with as few writes as can be.

        Raises:
            Rejected: In strict mode only: one is wrong. Those before it may have been kept.
        """
        event_ids: list[str | None] = []
        waiting: list[Entry | Refused | None] = []
        size = 0
        if self._asleep:
            self._wake()
        for event in events:
            try:
                taken = self._intake.take(event)
            except Exception as error:  # noqa: BLE001 - as in _track
                self._crashed(error)
                taken = None
            waiting.append(taken)
            size += 0 if taken is None else len(taken.document if isinstance(taken, Entry) else taken.payload)
            if size > _BYTES_AT_ONCE:
                event_ids += self._keep_many(waiting)
                waiting, size = [], 0
        return event_ids + self._keep_many(waiting)

    async def track_async(self, event: Event | Mapping[str, object]) -> str | None:
        """The same on a worker thread, for an event loop that must not wait even for a disk that stalls.

        `track` itself may be called from a coroutine: it takes a few microseconds and waits for no network.
        """
        return await asyncio.to_thread(self.track, event)

    def track_line(self, line: bytes) -> str | None:
        """The same for an event that is one line of JSON.

        Raises:
            Rejected: In strict mode only: the line is no event, or a wrong one.
        """
        return self._track(self._intake.take_line, line)

    def track_lines(self, lines: Iterable[bytes]) -> Iterator[str | None]:
        """The same for every line of a file, as it is iterated; blank lines are passed over."""
        for line in lines:
            if line.strip():
                yield self.track_line(line.rstrip(b"\r\n"))

    def new_id(self) -> str:
        """A new UUIDv7 by the clock of this capture, for a query_id."""
        return self._intake.new_id()

    def counts(self) -> dict[str, int]:
        """Every counter of this process by its name; see Counter for the meanings."""
        return self._counts.snapshot()

    def health(self) -> Health:
        """How capture is in this process; cheap enough for a health check every second."""
        spooled, most = self._spool.usage()
        return health_of(spooled, most, tuple(forwarder.health() for forwarder in self._forwarders))

    def left(self) -> int:
        """Bytes of the spool that some backend has not acknowledged yet."""
        return self._spool.directory.left()

    def drain(self, seconds: float | None = None) -> bool:
        """Wait until every backend has what was tracked before; False where the time was too short.

        The time is CAPTURE_DRAIN_SECONDS where none is given.
        """
        self._wake()
        deadline = self._deadline(seconds)
        drained = [forwarder.drain(deadline) for forwarder in self._forwarders]  # Each, also after one has failed.
        return all(drained)

    def close(self, seconds: float | None = None) -> int:
        """Drain and stop; gives the bytes that are left in the spool, which the next start ships.

        An event tracked later is still kept in the spool.
        """
        if self._closed:
            return self.left()
        self._closed = True
        if self._asleep:
            self._asleep = False  # A forked child that tracked nothing has nothing to ship.
            return 0
        deadline = self._deadline(seconds)
        for forwarder in self._forwarders:
            forwarder.drain(deadline)  # What others left comes first, for this writer accounts for it.
        self._ledger.close()
        self._spool.close()
        for forwarder in self._forwarders:
            forwarder.close(deadline)
        self._ledger.sweep()
        directory = self._spool.directory
        left = directory.left()
        if left:
            logger.warning("%d bytes of events are left in the spool; the next start ships them", left)
        directory.release()
        return left

    def start(self) -> None:
        """Begin to forward, in this process."""
        for forwarder in self._forwarders:
            forwarder.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def hold_for_fork(self) -> list[Forwarder]:
        """Before a fork: the forwarders that now keep still."""
        return [forwarder for forwarder in self._forwarders if forwarder.hold()]

    def forget_for_fork(self) -> None:
        """In a forked child: forward again with the first event, not before; most children track none."""
        self._intake.forget()
        self._ledger.start_afresh()
        for forwarder in self._forwarders:
            forwarder.forget()
        self._asleep = not self._closed

    def _track(self, take: Callable[[_Given], Entry | Refused | None], event: _Given) -> str | None:
        if self._asleep:
            self._wake()
        try:
            taken = take(event)
        except Exception as error:  # noqa: BLE001 - a mapping may be of any class; whatever it does, the service goes on
            self._crashed(error)
            return None
        if isinstance(taken, Refused):
            if self._strict:
                raise taken.rejection
            self._keep_failed(taken)
            return None
        return self._keep(taken)

    def _crashed(self, error: Exception) -> None:
        self._counts.add(Counter.CRASHED)
        if self._strict:
            raise error
        if not self._complained:
            self._complained = True
            logger.error("an event was not captured: %s", type(error).__name__)

    def _keep(self, entry: Entry | None) -> str | None:
        """Append it to the spool; its event_id where that was done."""
        if entry is None or not self._spool.append(entry):
            return None
        self._counts.add(Counter.CAPTURED)
        return entry.event_id

    def _keep_failed(self, refused: Refused) -> None:
        if self._spool.append(self._failed_event(refused)):
            self._counts.add(Counter.FAILED)

    def _keep_many(self, taken: Sequence[Entry | Refused | None]) -> list[str | None]:
        if self._strict:
            for each in taken:
                if isinstance(each, Refused):
                    raise each.rejection
        there = [self._failed_event(each) if isinstance(each, Refused) else each for each in taken if each is not None]
        kept = self._spool.append_many(there) if there else 0
        event_ids = [entry.event_id for entry in there[:kept]]
        failed = event_ids.count(None)
        self._counts.add(Counter.FAILED, failed)
        self._counts.add(Counter.CAPTURED, kept - failed)
        answers = iter(event_ids)
        return [None if each is None else next(answers, None) for each in taken]

    def _failed_event(self, refused: Refused) -> Entry:
        failed = FailedEvent.of(
            Stage.CAPTURE,
            refused.rejection,
            refused.payload,
            refused.at,
            otherwise=self._intake.new_id(),
        )
        document = failed.model_dump_json(exclude_none=True).encode()
        return Entry(FAILED_EVENT, document, numbered=failed.writer_id is None)

    def _deadline(self, seconds: float | None) -> float:
        return self._clock() + (self._drain_seconds if seconds is None else seconds)

    def _wake(self) -> None:
        """In a forked child: start its own forwarders."""
        if self._asleep:
            self._asleep = False
            self.start()


@cache
def _live_captures() -> "weakref.WeakSet[Capture]":
    """Every capture of the process; made with the first one, and with it the hooks that forks go through."""
    captures: weakref.WeakSet[Capture] = weakref.WeakSet()
    held = threading.local()

    def before() -> None:
        held.forwarders = [forwarder for capture in captures for forwarder in capture.hold_for_fork()]

    def after_in_parent() -> None:
        for forwarder in held.forwarders:
            forwarder.resume()

    def after_in_child() -> None:
        for capture in captures:
            capture.forget_for_fork()

    os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)
    return captures
