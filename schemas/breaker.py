"""A circuit breaker: a backend that fails again and again is left alone for a while, then tried once.

Its user says what happened and when; it reads no clock and waits for nobody.
"""

from random import Random
from typing import Literal

State = Literal["closed", "open", "half_open"]
_MOST_DOUBLINGS = 32


class Breaker:
    """Closed: every call goes. Open: none does. Half open: one does, and what becomes of it decides.

    The time it stays open doubles with each opening in a row up to `longest_seconds`, with full jitter: many
    processes that lost the same server do not come back all at once.
    """

    def __init__(self, *, failures: int, first_seconds: float, longest_seconds: float, random: Random) -> None:
        self.state: State = "closed"
        self._most_failures, self._first_seconds, self._longest_seconds = failures, first_seconds, longest_seconds
        self._random = random
        self._failures = self._openings = 0
        self._until = 0.0

    def may_try(self, moment: float) -> bool:
        """True where a call may be made now; its outcome must then be told."""
        if self.state == "open" and moment >= self._until:
            self.state = "half_open"
            return True
        return self.state == "closed"

    def wait(self, moment: float) -> float:
        """Seconds until a call may be made."""
        return max(self._until - moment, 0.0) if self.state == "open" else 0.0

    def hurry(self, moment: float) -> None:
        """Let the next call go at once: somebody waits for it."""
        self._until = min(self._until, moment)

    def succeeded(self) -> None:
        """The backend answered."""
        self.state = "closed"
        self._failures = self._openings = 0

    def failed(self, moment: float) -> bool:
        """It did not; True where the breaker opened for it."""
        self._failures += 1
        if self.state == "closed" and self._failures < self._most_failures:
            return False
        longest = min(self._first_seconds * 2.0 ** min(self._openings, _MOST_DOUBLINGS), self._longest_seconds)
        self._until = moment + self._random.uniform(0, longest)
        self._openings += 1
        self.state = "open"
        return True
