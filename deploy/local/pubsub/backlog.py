"""The messages of one subscription on their way to an acknowledgement.

No clock and no I/O: `now` and every deadline are seconds on one clock of the caller's choice.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

_STALE_TIMERS_KEPT = 1000
"""Timers of leases that ended early are thrown out once they outnumber the live ones by this many."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a publisher sends."""

    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What a topic made of it; `published_at` in seconds, `size` in bytes of data and attributes."""

    content: Content
    message_id: str
    published_at: float
    size: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message handed to one subscriber; `attempt` counts from 1."""

    ack_id: str
    message: Message
    attempt: int


@dataclass(frozen=True)
class RetryPolicy:
    """How long a message rests before it is delivered again; seconds."""

    minimum_seconds: float
    maximum_seconds: float

    def rest(self, attempts: int) -> float:
        """Doubles with every attempt already made, from the minimum to the maximum."""
        # The bound of the exponent only keeps it inside a float: 2^64 seconds is beyond any maximum.
        return min(self.maximum_seconds, self.minimum_seconds * 2.0 ** min(attempts - 1, 64))


@dataclass(frozen=True)
class DeliveryPolicy:
    """How a backlog delivers. `attempts_limit` None delivers for ever, `duplicate_every` None never twice."""

    ack_deadline_seconds: float = 10.0
    ordered: bool = False
    retry: RetryPolicy | None = None
    attempts_limit: int | None = None
    duplicate_every: int | None = None


@dataclass(eq=False)
class Window:
    """What one stream may hold unacknowledged; a limit of 0 or less is none."""

    max_messages: int = 0
    max_bytes: int = 0
    messages: int = 0
    bytes: int = 0

    @property
    def is_open(self) -> bool:
        """Whether one more message may be sent; as in Pub/Sub, the last one may exceed the bytes."""
        return not (0 < self.max_messages <= self.messages or 0 < self.max_bytes <= self.bytes)

    def take(self, message: Message) -> None:
        """One more is on its way."""
        self.messages += 1
        self.bytes += message.size

    def give_back(self, message: Message) -> None:
        """One of them was acknowledged, nacked or left too long."""
        self.messages -= 1
        self.bytes -= message.size


@dataclass(eq=False, slots=True)
class _Entry:
    """One message of this backlog, or the second copy of one that a fault duplicates."""

    message: Message
    attempts: int = 0
    is_copy: bool = False


@dataclass(eq=False, slots=True)
class _Lease:
    entry: _Entry
    deadline: float
    window: Window


class Backlog:
    """Delivers every message at least once, until it is acknowledged or given up.

    At most one lease on a message lives at a time. With an ordered policy the messages of one ordering key go
    out one by one, in the order they came.

    `give_up(message, attempts, now)` is asked when a message has had its attempts: True means that it went
    elsewhere and is forgotten here, False that it is to be delivered on.
    """

    def __init__(self, serial: int, policy: DeliveryPolicy, give_up: Callable[[Message, int, float], bool]) -> None:
        self.policy = policy
        self._serial = serial
        self._give_up = give_up
        self._numbers = count(1)
        self._first_deliveries = 0
        self._ready: deque[_Entry] = deque()
        self._resting: set[_Entry] = set()
        self._leases: dict[str, _Lease] = {}
        # A key's first entry is also ready, resting or leased; those behind it wait here and nowhere else.
        self._keys: dict[str, deque[_Entry]] = {}
        self._timers: list[tuple[float, int, str | _Entry]] = []

    @property
    def has_ready(self) -> bool:
        """Whether a subscriber who asks now would get something."""
        return bool(self._ready)

    def add(self, message: Message) -> None:
        """Put a new message behind the others."""
        entry = _Entry(message)
        if self._is_ordered(message):
            queue = self._keys.setdefault(message.content.ordering_key, deque())
            queue.append(entry)
            if len(queue) > 1:
                return
        self._ready.append(entry)

    def lease(
        self,
        now: float,
        window: Window,
        max_messages: int,
        max_bytes: int,
        deadline_seconds: float | None = None,
    ) -> list[Delivery]:
        """Hand out what is ready, up to any of the limits; a message larger than `max_bytes` goes alone."""
        self.advance(now)
        deadline = now + (self.policy.ack_deadline_seconds if deadline_seconds is None else deadline_seconds)
        deliveries: list[Delivery] = []
        size = 0
        while self._ready and len(deliveries) < max_messages and window.is_open:
            entry = self._ready[0]
            size += entry.message.size
            if deliveries and size > max_bytes:
                break
            self._ready.popleft()
            entry.attempts += 1
            ack_id = f"{self._serial}-{next(self._numbers)}"
            self._leases[ack_id] = _Lease(entry, deadline, window)
            window.take(entry.message)
            self._set_timer(deadline, ack_id)
            self._duplicate(entry)
            deliveries.append(Delivery(ack_id, entry.message, entry.attempts))
        return deliveries

    def acknowledge(self, now: float, ack_ids: Iterable[str]) -> None:
        """Forget what was handed out under these ids; an id whose lease has ended has no effect."""
        self.advance(now)
        for ack_id in ack_ids:
            if lease := self._end(ack_id):
                self._remove(lease.entry)

    def modify_deadline(self, now: float, ack_id: str, seconds: float) -> None:
        """Let a lease end that many seconds from now; 0 ends it at once (a nack)."""
        self.advance(now)
        lease = self._leases.get(ack_id)
        if lease is None:
            return
        lease.deadline = now + seconds
        if seconds <= 0:
            self._return(ack_id, now)
        else:
            self._set_timer(lease.deadline, ack_id)

    def advance(self, now: float) -> None:
        """Let happen what was due by now: leases end, rests end."""
        while self._timers and self._timers[0][0] <= now:
            when, _, subject = heapq.heappop(self._timers)
            if isinstance(subject, _Entry):
                self._resting.discard(subject)
                self._ready.append(subject)
            elif (lease := self._leases.get(subject)) and lease.deadline <= when:
                self._return(subject, now)

    def next_change(self) -> float | None:
        """When `advance` may next have something to do; None while there is nothing to wait for."""
        return self._timers[0][0] if self._timers else None

    def _is_ordered(self, message: Message) -> bool:
        return self.policy.ordered and bool(message.content.ordering_key)

    def _end(self, ack_id: str) -> _Lease | None:
        lease = self._leases.pop(ack_id, None)
        if lease:
            lease.window.give_back(lease.entry.message)
        return lease

    def _return(self, ack_id: str, now: float) -> None:
        """A subscriber did not acknowledge: deliver again, later, or never."""
        lease = self._end(ack_id)
        if lease is None:
            return
        entry, limit = lease.entry, self.policy.attempts_limit
        if limit is not None and entry.attempts >= limit and self._give_up(entry.message, entry.attempts, now):
            self._remove(entry)
        elif self.policy.retry and (rest := self.policy.retry.rest(entry.attempts)) > 0:
            self._resting.add(entry)
            self._set_timer(now + rest, entry)
        else:
            self._ready.append(entry)

    def _remove(self, entry: _Entry) -> None:
        key = entry.message.content.ordering_key
        if not self._is_ordered(entry.message):
            return
        queue = self._keys[key]
        queue.popleft()
        if queue:
            self._ready.append(queue[0])
        else:
            del self._keys[key]

    def _duplicate(self, entry: _Entry) -> None:
        if self.policy.duplicate_every is None or entry.is_copy or entry.attempts > 1:
            return
        self._first_deliveries += 1
        if self._first_deliveries % self.policy.duplicate_every == 0:
            copy = _Entry(entry.message, is_copy=True)
            if self._is_ordered(entry.message):
                self._keys[entry.message.content.ordering_key].insert(1, copy)
            else:
                self._ready.append(copy)

    def _set_timer(self, when: float, subject: str | _Entry) -> None:
        heapq.heappush(self._timers, (when, next(self._numbers), subject))
        live = len(self._leases) + len(self._resting)
        if len(self._timers) > 2 * live + _STALE_TIMERS_KEPT:
            # Acknowledged leases leave their timers behind; a long run would hold a minute's worth of them.
            self._timers = [timer for timer in self._timers if self._is_live(timer)]
            heapq.heapify(self._timers)

    def _is_live(self, timer: tuple[float, int, str | _Entry]) -> bool:
        when, _, subject = timer
        if isinstance(subject, _Entry):
            return True
        lease = self._leases.get(subject)
        return lease is not None and lease.deadline == when
