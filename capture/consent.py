"""Who allowed analytics: what the request says, what was heard last, what the shop's own records say, a default."""

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from functools import cache

PURPOSE = "analytics"
"""The one purpose that decides what capture keeps; the others concern those who use what was kept."""


class WithoutConsent(StrEnum):
    """What becomes of an event whose user has not allowed analytics. A consent event is kept whole in any case."""

    ANONYMISE = "anonymise"
    """It is kept without user_id and session_id."""
    DROP = "drop"
    """It is not kept at all, which is counted."""


class Consents:
    """Whether an event of a user may say whose it is.

    What the request's context states comes first, then the latest consent event that passed through this process, then
    the caller's `lookup`, then `otherwise`. The lookup runs on the thread of `track`: it should answer from memory. Its
    answer is remembered for `lookup_seconds`, `None` (it does not know) and failures included, so a record that is
    down is asked once in that time for each user, and `failed` is told of it; nothing is raised into the caller.

    Safe to use from every thread and in forked children, which go on with what their parent knew.
    """

    def __init__(
        self,
        lookup: Callable[[str], bool | None] | None,
        *,
        otherwise: bool,
        most_users: int,
        clock: Callable[[], float] | None = None,
        lookup_seconds: float = 60.0,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Start with nothing heard.

        Args:
            lookup: The shop's own records: True, False, or None where they do not know the user.
            otherwise: What counts where nothing is known.
            most_users: How many decisions, and how many answers of the lookup, are held. Of too many decisions those
                that say what `otherwise` says are forgotten first: a refusal is not lost for a full memory.
            clock: Seconds, never going back; without one the lookup is asked each time.
            lookup_seconds: How long an answer of the lookup is good for.
            failed: Called after the lookup raised; must not raise.
        """
        self._lookup, self._otherwise, self._most_users = lookup, otherwise, most_users
        self._clock, self._lookup_seconds, self._failed = clock, lookup_seconds, failed
        self._heard: dict[bool, OrderedDict[str, datetime]] = {True: OrderedDict(), False: OrderedDict()}
        self._granted, self._denied = self._heard[True], self._heard[False]
        self._answers: OrderedDict[str, tuple[bool | None, float]] = OrderedDict()
        self._anything = lookup is not None
        self.renew_lock()
        _all_consents().add(self)

    def allows(self, user_id: str | None, stated: bool | None) -> bool:
        """Whether analytics is allowed for the user; `stated` is what the request's own context says of it."""
        if stated is not None:
            return stated
        if not self._anything or user_id is None:
            return self._otherwise
        if user_id in self._denied:
            return False
        if user_id in self._granted:
            return True
        if self._lookup is not None:
            answer = self._answer(user_id, self._lookup)
            if answer is not None:
                return answer
        return self._otherwise

    def note(self, user_id: str, purpose: str, granted: bool, occurred_at: datetime) -> None:
        """Hear a consent event. The latest by occurred_at counts; of two at the same moment, the refusal."""
        if purpose != PURPOSE:
            return
        with self._lock:
            for decision in (True, False):
                known = self._heard[decision].get(user_id)
                if known is not None and (known > occurred_at or (known == occurred_at and granted)):
                    return
            # In this order: a reader without the lock meets the new decision, the old one, or a refusal.
            self._heard[granted][user_id] = occurred_at
            self._heard[granted].move_to_end(user_id)
            self._heard[not granted].pop(user_id, None)
            self._anything = True
            if len(self._granted) + len(self._denied) > self._most_users:
                (self._heard[self._otherwise] or self._heard[not self._otherwise]).popitem(last=False)

    def renew_lock(self) -> None:
        """In a forked child: the lock may have been held by a thread that is not there any more."""
        self._lock = threading.Lock()

    def _answer(self, user_id: str, lookup: Callable[[str], bool | None]) -> bool | None:
        now = self._clock() if self._clock is not None else 0.0
        remembered = self._answers.get(user_id)
        if remembered is not None and now < remembered[1]:
            return remembered[0]
        try:
            found = lookup(user_id)
            answer = found if isinstance(found, bool) else None
        except Exception:  # noqa: BLE001 - the caller's own code; whatever it does, the service goes on
            answer = None
            if self._failed is not None:
                self._failed()
        if self._clock is not None:
            with self._lock:
                self._answers[user_id] = answer, now + self._lookup_seconds
                self._answers.move_to_end(user_id)
                if len(self._answers) > self._most_users:
                    self._answers.popitem(last=False)
        return answer


@cache
def _all_consents() -> "weakref.WeakSet[Consents]":
    """Every one of the process; made with the first, and with it the hook that forks go through."""
    consents: weakref.WeakSet[Consents] = weakref.WeakSet()

    def after_in_child() -> None:
        for each in consents:
            each.renew_lock()

    os.register_at_fork(after_in_child=after_in_child)
    return consents
