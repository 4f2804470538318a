"""Moves what is spooled to one backend: read at the cursor, send, and only then move the cursor on.

It runs as a daemon thread beside the service, and never gives up while it runs. Whatever stops it, what was not
acknowledged is still in the spool, and the next forwarder sends it.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_random_exponential

from shopstream.schemas import FailedEvent, Reason, Rejected, Stage, Unavailable
from shopstream.schemas.breaker import Breaker
from shopstream.schemas.failure import where
from shopstream.schemas.message import FAILED_EVENT

from .backends import Backend, BackendMaker, Batch, RefusedInPart
from .counters import Counter, Counts
from .folder_reader import FolderReader
from .health import BackendHealth
from .lag import LagMeter
from .ledger import Ledger
from .spool import Spool
from .spool_directory import WriterFolder
from .spool_format import Damaged, Entry, Record
from .tally import events_in

logger = logging.getLogger(__name__)

Sleep = Callable[[float], None]
_JITTER = wait_random_exponential(multiplier=0.2, max=30)
_HOUSEKEEPING_SECONDS = 1.0
_FORK_SECONDS = 1.0
"""A fork waits at most this long for a send to end, for gRPC may not be forked in the middle of a call."""
_LONGEST_WAIT_IN_DRAIN = 0.5
_SOON_SECONDS = 0.005
_BATCHES_A_ROUND = 16
"""No folder keeps the others waiting for longer than this."""
_FREED_AT_ONCE = 200
"""Records; to free thousands in one go would keep the service's threads waiting."""
_FAILED_NAMESPACE = uuid.UUID("5f1d3c1e-6a52-4b0e-9d55-0e6a7c4b8f21")


def retrying(
    stop: threading.Event,
    *,
    sleep: Sleep,
    before_sleep: Callable[[RetryCallState], None],
    wait: Callable[[RetryCallState], float] = _JITTER,
) -> Retrying:
    """Full jitter, doubling from 0.2 s to 30 s, until `stop`; then raises the last error itself."""
    return Retrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_when_event_set(stop),
        wait=wait,
        before_sleep=before_sleep,
        sleep=sleep,
        reraise=True,
    )


@dataclass(frozen=True)
class BatchLimits:
    """When a batch goes: at the first of these."""

    seconds: float
    """So long after the one before, where that took all there was."""
    events: int = 2000
    size: int = 4 * 1024 * 1024
    """In bytes of the spool."""


class Forwarder:
    """Ships every folder this process is responsible for to one backend."""

    def __init__(
        self,
        spool: Spool,
        backend: str,
        make: BackendMaker,
        counts: Counts,
        *,
        limits: BatchLimits,
        breaker: Breaker,
        ledger: Ledger,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        sleep: Sleep | None = None,
    ) -> None:
        self.backend = backend
        self._spool, self._make, self._counts = spool, make, counts
        self._limits, self._breaker, self._ledger = limits, breaker, ledger
        self._now, self._clock = now, clock
        self._sleep = sleep or self._pause
        self._client: Backend | None = None
        self._inherited: list[Backend | None] = []
        self._readers: dict[str, FolderReader] = {}
        self._last_error: str | None = None
        self._unreadable: set[str] = set()
        self._kept_failed = False
        self._lag = LagMeter(backend, counts)
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
        self._close_readers()
        self._lag = LagMeter(self.backend, self._counts)
        # Kept, not closed: closing a connection that belongs to the parent may hang the child.
        self._inherited.append(self._client)
        self._client = None
        self._start_afresh()

    def health(self) -> BackendHealth:
        """How this backend is, and how much it has not acknowledged. Cheap enough for every second."""
        lag = self._lag.measure(self._spool.directory.shipped(), self._now())
        return BackendHealth(
            self.backend, self._breaker.state, lag.events, lag.size, lag.seconds, last_error=self._last_error
        )

    def ship(self) -> bool:
        """One round: send what can be read now; True where it is worth while to go on at once.

        Raises:
            Unavailable: The backend is not ready and the forwarder is stopping.
        """
        directory = self._spool.directory
        look = self._is_draining() or self._clock() >= self._housekeeping_at
        if look:
            self._keep_house()
        moved = False
        for folder in directory.shipped():
            for _ in range(_BATCHES_A_ROUND):
                if not self._ship_batch(folder, look=look):
                    break
                moved = True
        if look:
            self._spool.make_room()  # Only now: what could be sent is not dropped.
            self._ledger.sweep()
            self._close_readers({folder.path.name for folder in directory.shipped()})
        return moved

    def _keep_house(self) -> None:
        self._spool.directory.take_over()
        self._spool.directory.clear_half_made(self._now())
        self._spool.maintain()
        self._ledger.keep()
        self._housekeeping_at = self._clock() + _HOUSEKEEPING_SECONDS

    def _run(self) -> None:
        while not self._stop.is_set():
            asked = self._drains_asked
            try:
                while self.ship():
                    pass
            except Unavailable:
                continue  # Only where it is stopping.
            except Exception as error:  # noqa: BLE001 - the thread must outlive what nobody foresaw
                logger.error("the %s forwarder goes on after %s", self.backend, where(error))  # noqa: TRY400
                self._counts.add(Counter.FORWARDER_ERRORS, backend=self.backend)
                self._wake.wait(_HOUSEKEEPING_SECONDS)
                self._wake.clear()
                continue
            if self._is_draining() and self._is_behind():
                self._stop.wait(_SOON_SECONDS)
                continue
            with self._served:
                self._drains_served = asked
                self._served.notify_all()
            self._wake.wait(self._limits.seconds)
            self._wake.clear()

    def _is_draining(self) -> bool:
        return self._drains_asked > self._drains_served and self._clock() < self._drain_until

    def _is_behind(self) -> bool:
        """True where a thread still writes to a segment that was left, and the next one has not been read for it."""
        for folder in self._spool.directory.shipped():
            done = folder.cursor(self.backend, self._counts).position.segment
            if folder.active is not None and any(done <= number < folder.active for number in folder.segments()):
                return True
        return False

    def _ship_batch(self, folder: WriterFolder, *, look: bool) -> bool:
        """Send what one read gives and move the cursor; False where more is better awaited."""
        self._kept_failed = False
        reader = self._reader(folder)
        try:
            reading = reader.read(look=look)
        except OSError as error:
            # Too many open files, a disk that fails: it waits, the other folders go on.
            self._counts.add(Counter.FORWARDER_ERRORS, backend=self.backend)
            if folder.path.name not in self._unreadable:
                self._unreadable.add(folder.path.name)
                logger.error("%s cannot be read: %s; it is tried again", folder.path.name, where(error))  # noqa: TRY400
            return False
        if reading is None:
            return False
        self._unreadable.discard(folder.path.name)
        self._send(tuple(reading.records))
        folder.tally.note_sent(self.backend, reading.records)
        for piece, place in reading.damaged:
            self._keep_damaged(piece, place)
        before = reader.cursor.position
        try:
            reader.cursor.advance(reading.position)
        except OSError:
            self._counts.add(Counter.CURSORS_UNSAVED, backend=self.backend)
        if reading.position.segment > before.segment:
            self._ledger.sweep()
        _let_go(reading.records)
        return not reading.is_all or self._kept_failed or folder.is_final(reading.position.segment)

    def _reader(self, folder: WriterFolder) -> FolderReader:
        name = folder.path.name
        reader = self._readers.get(name)
        if reader is not None and reader.folder is not folder:
            reader.close()
            reader = None
        if reader is None:
            reader = self._readers[name] = FolderReader(
                folder, self.backend, self._counts, most_events=self._limits.events, most_bytes=self._limits.size
            )
        return reader

    def _close_readers(self, but_for: Collection[str] = ()) -> None:
        for name in self._readers.keys() - but_for:
            self._readers.pop(name).close()

    def _send(self, batch: Batch) -> None:
        """Send until acknowledged; what the backend refuses for good is halved until the refused event is alone."""
        if not batch:
            return
        try:
            retrying(self._stop, sleep=self._sleep, before_sleep=self._count_retry, wait=self._wait)(
                self._send_once, batch
            )
        except Rejected as rejection:
            refusals = _refusals(batch, rejection)
            if not refusals:
                middle = len(batch) // 2
                self._send(batch[:middle])
                self._send(batch[middle:])
                return
            for place, refusal in refusals.items():
                self._counts.add(Counter.BACKEND_REFUSED, backend=self.backend)
                self._keep_failed(refusal, batch[place].document, batch[place].document)
            self._counts.add(Counter.FORWARDED, events_in(batch) - len(refusals), backend=self.backend)
        else:
            self._counts.add(Counter.FORWARDED, events_in(batch), backend=self.backend)

    def _send_once(self, batch: Batch) -> None:
        if self._is_draining():
            self._breaker.hurry(self._clock())
        if not self._breaker.may_try(self._clock()):
            raise Unavailable(self._last_error or f"{self.backend} is left alone for a while")
        with self._sending:
            try:
                if self._client is None:
                    self._client = self._make()
                self._client.send(batch)
            except Rejected as rejection:
                self._breaker.succeeded()  # It answers.
                if any(batch[place].event_type == FAILED_EVENT for place in _refusals(batch, rejection)):
                    # A backend that refuses even these is set up wrongly. Nothing is dropped for that.
                    raise self._failed(Unavailable(f"{self.backend} refuses a failed event")) from None
                raise
            except Unavailable as error:
                raise self._failed(error) from None
            except Exception as error:
                self._failed(error)
                raise
        self._breaker.succeeded()
        self._last_error = None

    def _failed(self, error: Exception) -> Exception:
        self._last_error = str(error) if isinstance(error, Unavailable) else where(error)
        if self._breaker.failed(self._clock()):
            self._counts.add(Counter.BREAKER_OPENED, backend=self.backend)
        return error

    def _wait(self, state: RetryCallState) -> float:
        return max(_JITTER(state), self._breaker.wait(self._clock()))

    def _count_retry(self, state: RetryCallState) -> None:
        self._counts.add(Counter.RETRIED, backend=self.backend)
        if state.attempt_number == 1 and state.outcome is not None:
            logger.warning("events wait in the spool: %s", state.outcome.exception())

    def _keep_damaged(self, piece: Damaged, place: str) -> None:
        self._counts.add(Counter.DAMAGED_LINES, backend=self.backend)
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
            if not self._spool.append(Entry(FAILED_EVENT, document, numbered=False), bounded=False):
                raise Unavailable("the spool does not take a failed event")
            self._kept_failed = True

        retrying(self._stop, sleep=self._sleep, before_sleep=lambda _: None)(keep)

    def _pause(self, seconds: float) -> None:
        """Wait, and keep house meanwhile; a drain that is asked for ends it."""
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0 and not self._stop.is_set():
            if self._is_draining():
                self._stop.wait(min(left, _LONGEST_WAIT_IN_DRAIN))
                return
            if self._wake.wait(min(left, _HOUSEKEEPING_SECONDS)):
                self._wake.clear()
                return
            self._keep_house()
            self._spool.make_room()

    def _close_client(self) -> None:
        self._close_readers()
        if self._client is not None:
            self._client.close()
            self._client = None


def _let_go(records: list[Record]) -> None:
    while records:
        del records[-_FREED_AT_ONCE:]
        time.sleep(0)


def _refusals(batch: Batch, rejection: Rejected) -> Mapping[int, Rejected]:
    """Which records of the batch, by place, were refused and why; empty where that is not known yet."""
    if isinstance(rejection, RefusedInPart):
        return rejection.refusals
    return {0: rejection} if len(batch) == 1 else {}
