"""Takes an event from the caller: validate, scrub, append to the spool, return."""

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from random import Random
from types import TracebackType
from typing import Self, TypeVar

from shopstream.schemas import Event, FailedEvent, Rejected, Stage, Unavailable, read_event, write_fields
from shopstream.schemas.identifiers import make_event_id
from shopstream.schemas.message import FAILED_EVENT
from shopstream.schemas.scrub import scrub_fields

from .counters import Counter, Counts
from .fields import Fields, fields_in, fields_of, remains_of
from .forwarder import Forwarder
from .spool import Spool

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_ENVELOPE = ("event_id", "occurred_at", "source", "schema_version")
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
        source: str,
        strict: bool,
        drain_seconds: float,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._spool, self._forwarders, self._counts = spool, tuple(forwarders), counts
        self._source, self._strict, self._drain_seconds = source, strict, drain_seconds
        self._now, self._clock, self._random = now, clock, random
        self._asleep = False
        self._closed = False
        self._complained = False
        _live_captures().add(self)

    def track(self, event: Event | Mapping[str, object]) -> str | None:
        """Keep the event and give its event_id; None where it was not kept as an event, which is counted.

        event_id, occurred_at, source and schema_version are filled in where they are absent. A wrong event becomes
        a failed event, with its bytes.

        Raises:
            Rejected: In strict mode only: the event is wrong. The text holds no value of it.
        """
        return self._guarded(self._track_fields, event)

    def track_or_reject(self, event: Event | Mapping[str, object]) -> str:
        """Keep the event and give its event_id, for a caller that has to answer for each.

        Raises:
            Rejected: The event is wrong; it was kept as a failed event. The text holds no value of it.
            Unavailable: The spool did not take it; the same may be taken later.
        """
        if self._asleep:
            self._wake()
        rejections: list[Rejected] = []
        try:
            event_id = self._track_fields(event, rejections)
        except Exception:
            self._counts.add(Counter.CRASHED)
            raise
        if rejections:
            raise rejections[0]
        if event_id is None:
            raise Unavailable("the spool does not take events now; the counters say why")
        return event_id

    def track_line(self, line: bytes) -> str | None:
        """The same for an event that is one line of JSON.

        Raises:
            Rejected: In strict mode only: the line is no event, or a wrong one.
        """
        return self._guarded(self._track_line, line)

    def track_lines(self, lines: Iterable[bytes]) -> Iterator[str | None]:
        """The same for every line of a file, as it is iterated; blank lines are passed over."""
        for line in lines:
            if line.strip():
                yield self.track_line(line.rstrip(b"\r\n"))

    def counts(self) -> dict[str, int]:
        """Every counter of this process by its name; see Counter for the meanings."""
        return self._counts.snapshot()

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
        self._spool.close()
        deadline = self._deadline(seconds)
        for forwarder in self._forwarders:
            forwarder.close(deadline)
        directory = self._spool.directory
        directory.sweep()
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
        for forwarder in self._forwarders:
            forwarder.forget()
        self._asleep = not self._closed

    def _guarded(self, keep: Callable[[_Given], str | None], event: _Given) -> str | None:
        if self._asleep:
            self._wake()
        try:
            return keep(event)
        except Rejected:
            raise  # Strict mode.
        except Exception as error:
            # The caller's own objects take part (a mapping may be any class): whatever they do, the service goes on.
            self._counts.add(Counter.CRASHED)
            if self._strict:
                raise
            if not self._complained:
                self._complained = True
                logger.error("an event was not captured: %s", type(error).__name__)  # noqa: TRY400 - no payload in logs
            return None

    def _track_fields(
        self, event: Event | Mapping[str, object], rejections: list[Rejected] | None = None
    ) -> str | None:
        try:
            fields = fields_of(event)
        except Rejected as rejection:
            return self._fail(rejection, b"", self._now(), rejections)
        return self._keep(fields, None, rejections)

    def _track_line(self, line: bytes) -> str | None:
        now = self._now()
        try:
            fields = fields_in(line, now)
        except Rejected as rejection:
            return self._fail(rejection, line, now)
        return self._keep(fields, line)

    def _keep(self, fields: Fields, line: bytes | None, rejections: list[Rejected] | None = None) -> str | None:
        """Validate and spool; `line` is what the fields were read from, where they were."""
        now = self._now()
        numbered = fields.get("writer_id") is None and fields.get("sequence") is None
        if numbered:
            fields.pop("writer_id", None)
            fields.pop("sequence", None)
        if self._fill(fields, now):
            line = None
        try:
            document = write_fields(fields)
            event = read_event(document, now, unknown_fields="forbid")
            if (clean := scrub_fields(fields)) is not fields:
                document = write_fields(clean)
                event = read_event(document, now, unknown_fields="forbid")
        except Rejected as rejection:
            if (clean := scrub_fields(fields)) is not fields or line is None:
                line = remains_of(clean)
            return self._fail(rejection, line, now, rejections)
        if not self._spool.append(event.event_type, document, numbered=numbered):
            return None
        self._counts.add(Counter.CAPTURED)
        return event.event_id

    def _fill(self, fields: Fields, now: datetime) -> bool:
        """Complete the envelope; True where something was absent."""
        absent = [name for name in _ENVELOPE if fields.get(name) is None]
        for name in absent:
            if name == "event_id":
                fields[name] = make_event_id(now, self._random)
            elif name == "occurred_at":
                fields[name] = now
            else:
                fields[name] = self._source if name == "source" else SCHEMA_VERSION
        return bool(absent)

    def _fail(
        self, rejection: Rejected, payload: bytes, now: datetime, rejections: list[Rejected] | None = None
    ) -> str | None:
        """Spool it as a failed event and note why in `rejections`; None, for it was not kept as an event."""
        if rejections is not None:
            rejections.append(rejection)
        elif self._strict:
            raise rejection from None
        failed = FailedEvent.of(
            Stage.CAPTURE,
            rejection,
            payload,
            now,
            otherwise=make_event_id(now, self._random),
        )
        if self._spool.append(FAILED_EVENT, failed.model_dump_json(exclude_none=True).encode()):
            self._counts.add(Counter.FAILED)
        return None

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
