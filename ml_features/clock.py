"""What the time is: handed to everything below a command or a server, read only there."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple


class Clock(NamedTuple):
    """The wall clock in UTC, and one in seconds that nobody puts back."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


SYSTEM_CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic)
