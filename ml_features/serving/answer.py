"""What a reader gives: rows, and where they are from."""

from datetime import date
from typing import Any, Generic, Literal, TypeAlias

import msgspec

from shopstream.schemas.serving.views import Item

Source: TypeAlias = Literal["redis", "warehouse", "default"]
"""`default`: neither answered in time, and nothing was remembered."""


class Answer(msgspec.Struct, Generic[Item], frozen=True, gc=False):
    """The rows of a key, as far as they could be had in time."""

    rows: tuple[Item, ...]
    """Empty where there are none: for somebody unknown, and for who does not allow it."""
    as_of: date | None
    """The date they were computed for; None where there is none."""
    version: str | None
    """The publication they are from; None of the warehouse."""
    source: Source
    age_seconds: float
    """Since they were published, or read from the warehouse."""
    stale: bool
    """Given from memory, since nobody answered."""

    @property
    def row(self) -> Item | None:
        """The only row, or the first."""
        return self.rows[0] if self.rows else None


NOTHING: Answer[Any] = Answer((), None, None, "default", 0.0, False)
"""The answer where there is none."""
