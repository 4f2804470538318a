"""What a reader gives: rows, and where they are from."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from shopstream.schemas import Unavailable
from shopstream.schemas.serving.served import ServedModelReorder, ServedReorder
from shopstream.schemas.serving.views import Item

Other = TypeVar("Other", bound=msgspec.Struct)
Source: TypeAlias = Literal["redis", "warehouse", "default"]
"""Where rows are from."""


class Answer(msgspec.Struct, Generic[Item], frozen=True, gc=False):
    """The rows of a key, as far as they could be had in time."""

    rows: tuple[Item, ...]
    """Empty where there are none: for somebody unknown, and for who does not allow it."""
    as_of: date | None
    """The date they were computed for; None where there is none."""
    version: str | None
    """The publication they are from; None of the warehouse."""
    source: Source
    """Who answered; `default`: neither did in time, and nothing was remembered."""
    age_seconds: float
    """Since they were published, or read from the warehouse."""
    stale: bool
    """Given from memory, since nobody answered."""
    why: str | None = None
    """Why nobody answered, where it is stale or `default`."""

    @property
    def row(self) -> Item | None:
        """The only row, or the first."""
        return self.rows[0] if self.rows else None

    def with_rows(self, rows: Sequence[Other], as_of: date | None) -> "Answer[Other]":
        """Other rows, made of these."""
        return Answer(tuple(rows), as_of, self.version, self.source, self.age_seconds, self.stale, self.why)


Predicted: TypeAlias = ServedReorder | ServedModelReorder
"""A product a user may buy, by either tier."""


def answered(answer: Answer[Item]) -> Answer[Item]:
    """The answer, for those who would rather have none than `default`.

    Raises:
        Unavailable: Nobody answered.
    """
    if answer.source == "default":
        raise Unavailable(answer.why or "nobody answered in time")
    return answer


def nothing(why: str) -> Answer[Any]:
    """The answer where there is none."""
    return Answer((), None, None, "default", 0.0, False, why)
