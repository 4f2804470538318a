"""How fast each key may ask: a token bucket a key, refilled by a clock that is passed in.

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
    """So much it may take at once, now."""
    retry_seconds: int
    """Until what was asked for could be granted; 0 where it was."""
    full_seconds: int
    """Until the whole burst is there again."""


class RateLimits:
    """A bucket for each name, made when it is first asked for. Safe to use from every thread.

    Names come from the configured keys, never from a request, so that their number is bounded.
    """

    def __init__(self, unit: str, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._unit, self._per_second, self._burst, self._clock = unit, per_second, burst, clock
        self._policy = f'"{unit}";q={burst};w={math.ceil(burst / per_second)}'
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def headers(self, allowance: Allowance) -> dict[str, str]:
        """What an answer says of it: the burst and in how many seconds it fills; what is left, and when it is full."""
        left = f'"{self._unit}";r={allowance.left};t={allowance.full_seconds}'
        return {"RateLimit-Policy": self._policy, "RateLimit": left}

    def take(self, name: str, amount: int) -> Allowance:
        """Take so much out of the bucket, or nothing where there is not as much."""
        with self._lock:
            moment = self._clock()
            tokens, before = self._buckets.get(name, (float(self._burst), moment))
            tokens = min(self._burst, tokens + max(0.0, moment - before) * self._per_second)
            granted = tokens >= amount
            if granted:
                tokens -= amount
            self._buckets[name] = (tokens, moment)
        return Allowance(
            granted=granted,
            left=int(tokens),
            retry_seconds=0 if granted else max(1, math.ceil((amount - tokens) / self._per_second)),
            full_seconds=math.ceil((self._burst - tokens) / self._per_second),
        )
