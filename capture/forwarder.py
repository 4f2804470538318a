"""Moves what is spooled to one backend: read at the cursor, send, and only then move the cursor on.

It runs as a daemon thread beside the service, and never gives up while it runs. Whatever stops it, what was not
acknowledged is still in the spool, and the next forwarder sends it.
"""

import logging
import os
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_random_exponential

from shopstream.schemas import FailedEvent, Reason, Rejected, Stage, Unavailable
from shopstream.schemas.message import FAILED_EVENT

from .backends import Backend, BackendMaker, Batch
from .counters import Counter, Counts
from .cursor import Cursor, Position
from .spool import Spool
from .spool_directory import WriterFolder
from .spool_format import Damaged, Record, complete_lines, parse

logger = logging.getLogger(__name__)

Sleep = Callable[[float], None]
READ_BYTES = 4 * 1024 * 1024
"""A batch is at most this much of a segment: one request, below what backends accept in one."""
_HOUSEKEEPING_SECONDS = 1.0
_FORK_SECONDS = 1.0
"""A fork waits at most this long for a send to end, for gRPC may not be forked in the middle of a call."""
_LONGEST_WAIT_IN_DRAIN = 0.5
_BATCHES_A_ROUND = 16
"""No folder keeps the others waiting for longer than this."""
_FAILED_NAMESPACE = uuid.UUID("5f1d3c1e-6a52-4b0e-9d55-0e6a7c4b8f21")


def retrying(stop: threading.Event, *, sleep: Sleep, before_sleep: Callable[[RetryCallState], None]) -> Retrying:
    """Full jitter, doubling from 0.2 s to 30 s, until `stop`; then raises the last error itself."""
    return Retrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_when_event_set(stop),
        wait=wait_random_exponential(multiplier=0.2, max=30),
        before_sleep=before_sleep,
        sleep=sleep,
        reraise=True,
    )


@dataclass
class _OpenSegment:
    """The segment a folder is being read from; held open, so that it can be read even when it is unlinked."""

    number: int
    descriptor: int


class Forwarder:
    """Ships every folder this process is responsible for to one backend."""

    def __init__(
        self,
        spool: Spool,
        backend: str,
        make: BackendMaker,
        counts: Counts,
        *,
        batch_seconds: float,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        sleep: Sleep | None = None,
    ) -> None:
        self.backend = backend
        self._spool, self._make, self._counts = spool, make, counts
        self._batch_seconds = batch_seconds
        self._now, self._clock = now, clock
        self._sleep = sleep or self._pause
        self._client: Backend | None = None
        self._inherited: list[Backend | None] = []
        self._segments: dict[str, _OpenSegment] = {}
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._thread: threading.Thread | None = None
        self._stop, self._wake = threading.Event(), threading.Event()
        self._sending = threading.Lock()
        self._served = threading.Condition()
        self._drains_asked = self._drains_served = 0
        self._drain_until = self._housekeeping_at = 0.0

    def start(self) -> None:
        """Run as a daemon thread, where it does not run yet."""
        with self._served:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name=f"shopstream-{self.backend}", daemon=True)
                self._thread.start()

    def drain(self, deadline: float) -> bool:
        """Wait until all that was spooled before this call is acknowledged, at most until `deadline` by the clock."""
        with self._served:
            self._drains_asked += 1
            wanted = self._drains_asked
            self._drain_until = deadline
            self._wake.set()
            if self._thread is None:
                return False
            return self._served.wait_for(lambda: self._drains_served >= wanted, max(deadline - self._clock(), 0))

    def close(self, deadline: float) -> bool:
        """Drain, then stop; True where everything was acknowledged."""
        drained = self.drain(deadline)
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(max(deadline - self._clock(), 0.1))
            if self._thread.is_alive():
                return drained  # Stuck in a send; as a daemon thread it ends with the process.
        self._close_client()
        return drained

    def hold(self) -> bool:
        """Before a fork: wait until no send is under way; False where one hangs."""
        return self._sending.acquire(timeout=_FORK_SECONDS)

    def resume(self) -> None:
        """After the fork, in the parent, where hold() was True."""
        self._sending.release()

    def forget(self) -> None:
        """After the fork, in the child: no thread, a client of its own, none of the parent's files."""
        segments, self._segments = self._segments, {}
        for segment in segments.values():
            _close(segment)
        # Kept, not closed: closing a connection that belongs to the parent may hang the child.
        self._inherited.append(self._client)
        self._client = None
        self._start_afresh()

    def ship(self) -> bool:
        """One round: send what can be read now; True where a further round may find more.

        Raises:
            Unavailable: The backend is not ready and the forwarder is stopping.
        """
        directory = self._spool.directory
        if self._is_draining() or self._clock() >= self._housekeeping_at:
            directory.take_over()
            self._spool.maintain()
            self._housekeeping_at = self._clock() + _HOUSEKEEPING_SECONDS
        moved = False
        for folder in directory.shipped():
            for _ in range(_BATCHES_A_ROUND):
                if not self._ship_batch(folder):
                    break
                moved = True
                directory.sweep()
        directory.sweep()
        self._close_segments_gone()
        return moved

    def _run(self) -> None:
        while not self._stop.is_set():
            asked = self._drains_asked
            try:
                while self.ship():
                    pass
            except Unavailable:
                continue  # Only where it is stopping.
            except Exception as error:  # noqa: BLE001 - the thread must outlive what nobody foresaw
                logger.error("the %s forwarder goes on after %s", self.backend, _where(error))  # noqa: TRY400
                self._counts.add(Counter.FORWARDER_ERRORS)
                self._pause(1.0)
                continue
            with self._served:
                self._drains_served = asked
                self._served.notify_all()
            self._wake.wait(self._batch_seconds)
            self._wake.clear()

    def _is_draining(self) -> bool:
        return self._drains_asked > self._drains_served and self._clock() < self._drain_until

    def _ship_batch(self, folder: WriterFolder) -> bool:
        """Send what one read gives and move the cursor; False where there is nothing more to read now."""
        cursor = folder.cursor(self.backend, self._counts)
        numbers = [number for number in folder.segments() if number >= cursor.position.segment]
        if not numbers:
            return False
        number = numbers[0]
        offset = cursor.position.offset if number == cursor.position.segment else 0
        final = folder.is_final(number)  # Asked first: what is read after a yes is all there will be.
        try:
            chunk = self._read(folder, number, offset)
        except OSError:
            self._counts.add(Counter.SEGMENTS_LOST)
            return self._advance(cursor, Position(number + 1, 0))
        if chunk is None:
            self._counts.add(Counter.CURSORS_RESET)
            return self._advance(cursor, Position(number, 0))
        if not chunk:
            if final:
                _close(self._segments.pop(folder.path.name))
                self._advance(cursor, Position(number + 1, 0))
            return final
        lines, end = complete_lines(chunk)
        pieces = [piece for line in lines for piece in parse(line)]
        if not lines:
            if not final and len(chunk) < READ_BYTES:
                return False
            pieces, end = [Damaged(chunk)], len(chunk)
        self._send(tuple(piece for piece in pieces if isinstance(piece, Record)))
        for place, piece in enumerate(pieces):
            if isinstance(piece, Damaged):
                self._keep_damaged(piece, f"{folder.path.name}/{number}/{offset}/{place}")
        return self._advance(cursor, Position(number, offset + end))

    def _read(self, folder: WriterFolder, number: int, offset: int) -> bytes | None:
        """Bytes of the segment from the offset on; None where it is shorter than that."""
        held = self._segments.get(folder.path.name)
        if held is None or held.number != number:
            if held is not None:
                _close(self._segments.pop(folder.path.name))
            held = self._segments[folder.path.name] = _OpenSegment(number, folder.open_segment(number))
        chunk = os.pread(held.descriptor, READ_BYTES, offset)
        return chunk if chunk or os.fstat(held.descriptor).st_size >= offset else None

    def _advance(self, cursor: Cursor, position: Position) -> bool:
        try:
            cursor.advance(position)
        except OSError:
            self._counts.add(Counter.CURSORS_UNSAVED)
        return True

    def _send(self, batch: Batch) -> None:
        """Send until acknowledged; what the backend refuses for good is halved until the refused event is alone."""
        if not batch:
            return
        try:
            retrying(self._stop, sleep=self._sleep, before_sleep=self._count_retry)(self._send_once, batch)
        except Rejected as rejection:
            if len(batch) > 1:
                middle = len(batch) // 2
                self._send(batch[:middle])
                self._send(batch[middle:])
            else:
                self._counts.add(Counter.BACKEND_REFUSED)
                self._keep_failed(rejection, batch[0].document, batch[0].document)
        else:
            self._counts.add(Counter.FORWARDED, len(batch))

    def _send_once(self, batch: Batch) -> None:
        with self._sending:
            if self._client is None:
                self._client = self._make()
            try:
                self._client.send(batch)
            except Rejected:
                if len(batch) == 1 and batch[0].event_type == FAILED_EVENT:
                    # A backend that refuses even these is set up wrongly. Nothing is dropped for that.
                    raise Unavailable(f"{self.backend} refuses a failed event") from None
                raise

    def _count_retry(self, state: RetryCallState) -> None:
        self._counts.add(Counter.RETRIED)
        if state.attempt_number == 1 and state.outcome is not None:
            logger.warning("events wait in the spool: %s", state.outcome.exception())

    def _keep_damaged(self, piece: Damaged, place: str) -> None:
        self._counts.add(Counter.DAMAGED_LINES)
        rejection = Rejected(
            Reason.DAMAGED_LINE, "the line was cut off or changed in the spool; its checksum does not match"
        )
        self._keep_failed(rejection, piece.content, place.encode())

    def _keep_failed(self, rejection: Rejected, payload: bytes, identity: bytes) -> None:
        """Spool it as a failed event; the same identity gives the same event_id, also when it is found twice.

        Raises:
            Unavailable: The spool does not take it, and the forwarder is stopping.
        """
        failed = FailedEvent.of(
            Stage.CAPTURE,
            rejection,
            payload,
            self._now(),
            otherwise=str(uuid.uuid5(_FAILED_NAMESPACE, identity.decode("latin-1"))),
        )
        document = failed.model_dump_json(exclude_none=True).encode()

        def keep() -> None:
            if not self._spool.append(FAILED_EVENT, document, numbered=False, bounded=False):
                raise Unavailable("the spool does not take a failed event")

        retrying(self._stop, sleep=self._sleep, before_sleep=lambda _: None)(keep)

    def _pause(self, seconds: float) -> None:
        if self._is_draining():
            self._stop.wait(min(seconds, _LONGEST_WAIT_IN_DRAIN))
        elif self._wake.wait(seconds):
            self._wake.clear()

    def _close_segments_gone(self) -> None:
        there = {folder.path.name for folder in self._spool.directory.shipped()}
        for name in self._segments.keys() - there:
            _close(self._segments.pop(name))

    def _close_client(self) -> None:
        for segment in self._segments.values():
            _close(segment)
        self._segments = {}
        if self._client is not None:
            self._client.close()
            self._client = None


def _close(segment: _OpenSegment) -> None:
    with suppress(OSError):
        os.close(segment.descriptor)


def _where(error: Exception) -> str:
    """The kind of error and the line it was raised at; never its text, which may hold a payload."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{type(error).__name__} at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else "an error"
