"""What is read from the warehouse and used for a while."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shopstream.schemas import Unavailable

T = TypeVar("T")


class Cached(Generic[T]):
    """A value read when first asked for and again once it is too old; the one before stays while BigQuery is away."""

    def __init__(self, read: Callable[[], T], age: timedelta, *, first: Callable[[], T] | None = None) -> None:
        """`first` reads in place of `read` until there is a value: it may try for longer."""
        self._read, self._first, self._age = read, first or read, age
        self._kept: tuple[T, datetime] | None = None

    def value(self, now: datetime) -> T:
        """The value.

        Raises:
            Unavailable: It was never read, and BigQuery does not answer.
        """
        if self._kept is None:
            self._kept = self._first(), now
        elif now >= self._kept[1] + self._age:
            try:
                self._kept = self._read(), now
            except Unavailable:
                self._kept = self._kept[0], now
        return self._kept[0]
