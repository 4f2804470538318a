"""How fast each key may send: a token bucket a key, refilled by a clock that is passed in.

Well-kept libraries (limits, pyrate-limiter) count in windows or read the clock themselves; this is the whole of it.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key may still do after one question."""

    granted: bool
    left: int
    """Events it may send at once, now."""
    retry_seconds: int
    """Until what was asked for could be granted; 0 where it was."""
    full_seconds: int
    """Until the whole burst is there again."""


class RateLimits:
    """A bucket for each name, made when it is first asked for. Safe to use from every thread.

    Names come from the configured keys, never from a request, so that their number is bounded.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    @property
    def policy(self) -> str:
        """The RateLimit-Policy header: the burst, and in how many seconds it fills."""
        return f'"events";q={self._burst};w={math.ceil(self._burst / self._per_second)}'

    def take(self, name: str, events: int) -> Allowance:
        """Take so many events out of the bucket, or none where there are not as many."""
        with self._lock:
            moment = self._clock()
            tokens, before = self._buckets.get(name, (float(self._burst), moment))
            tokens = min(self._burst, tokens + max(0.0, moment - before) * self._per_second)
            granted = tokens >= events
            if granted:
                tokens -= events
            self._buckets[name] = (tokens, moment)
        return Allowance(
            granted=granted,
            left=int(tokens),
            retry_seconds=0 if granted else max(1, math.ceil((events - tokens) / self._per_second)),
            full_seconds=math.ceil((self._burst - tokens) / self._per_second),
        )
