"""The broker in real time: who waits for messages, and when to wake up."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from .backlog import Window
from .broker import Broker


@dataclass(eq=False)
class Waiter:
    """A pull that may have to wait; `bell` rings when it should ask again."""

    subscription: str
    window: Window = field(default_factory=Window)
    bell: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """One broker, one clock and one timer, on one event loop.

    So there are no locks: a handler changes the broker without awaiting in between, and calls `settle`
    afterwards. Nothing polls. `now` gives seconds since 1970.
    """

    def __init__(self, broker: Broker, now: Callable[[], float]) -> None:
        self.broker = broker
        self.now = now
        self._waiters: set[Waiter] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    def settle(self) -> None:
        """After every change: ring for those with news, and set the timer to the broker's next deadline."""
        for waiter in self._waiters:
            if self.broker.has_news(waiter.subscription, waiter.window):
                waiter.bell.set()
        change = self.broker.next_change()
        # A timer that is too early finds nothing to do and sets the right one: cheaper than moving it.
        if change is not None and change < self._timer_at:
            self.close()
            self._timer_at = change
            delay = max(0.0, change - self.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    async def wait(self, waiter: Waiter, seconds: float | None = None) -> None:
        """Until the waiter's bell rings, or so many seconds; None waits for the bell alone."""
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter.bell.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)
            waiter.bell.clear()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()

    def _on_timer(self) -> None:
        self._timer_at = float("inf")
        self.broker.advance(self.now())
        self.settle()
