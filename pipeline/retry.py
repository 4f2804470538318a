"""Retry: one policy, in one place."""

import time
from collections.abc import Callable

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from shopstream.schemas import Unavailable

RETRY_SECONDS = 600.0
"""How long the job tries one write before it gives its bundle back."""
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 30.0


def retrying(
    deadline_seconds: float,
    *,
    on_retry: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Retrying:
    """Full jitter, doubling from 0.2 s to 30 s, only on Unavailable; past the deadline the last error is raised."""

    def count(_: RetryCallState) -> None:
        on_retry()

    return Retrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_after_delay(deadline_seconds),
        wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
        before_sleep=count,
        sleep=sleep,
        reraise=True,
    )
