"""Where everything lies in Redis, and what it looks like there.

PREFIX:published               a hash: for each view what is published of it (Publication)
PREFIX:begun                   a hash: for each view the version that was begun last
PREFIX:publishing:VIEW         held by the one process that publishes the view
PREFIX:rows:VIEW:VERSION:KEY   the rows of a key, of one version of a view; those of the stream behind a moment
PREFIX:consent:PURPOSE         a hash: for each user who decided lately what and when (DecidedLately)
PREFIX:consent:changes         counts those decisions
"""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Self

import msgspec

from ..table import Purpose

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 16
MOMENT_BYTES = 2 * _DIGITS
"""A value of the stream begins with so many digits: of two values the one with the greater digits is the later."""


class Publication(msgspec.Struct, array_like=True, frozen=True):
    """What is published of a view: readers follow it, so that a new version is there for all keys at once.

    JSON in Redis, whose scripts read it too.
    """

    order: str
    """The date and the version: of two publications the one whose order is greater stays."""
    as_of: date
    version: str
    layout: str
    keys: int
    published_at: datetime
    evicted_keys: int
    """How many keys Redis had evicted by then: where it evicts more, a key that is missing may have been there."""
    previous_version: str | None

    @classmethod
    def read(cls, packed: bytes) -> Self:
        """The publication of a value."""
        return msgspec.json.decode(packed, type=cls)

    def packed(self) -> bytes:
        """Its value."""
        return msgspec.json.encode(self)

    @property
    def versions(self) -> tuple[str, ...]:
        """Those whose rows stay: this one, and the one before for readers that have not seen the step yet."""
        return tuple(version for version in (self.version, self.previous_version) if version is not None)


class Keys(NamedTuple):
    """The keys of one shop: several may share a Redis under different prefixes."""

    prefix: str

    @property
    def published(self) -> str:
        """The hash of publications by view."""
        return f"{self.prefix}:published"

    @property
    def begun(self) -> str:
        """The hash of versions that were begun, by view."""
        return f"{self.prefix}:begun"

    def publishing(self, view: str) -> str:
        """The lock of who publishes a view."""
        return f"{self.prefix}:publishing:{view}"

    def rows(self, view: str, version: str) -> str:
        """What a key of this version begins with; the user or product follows."""
        return f"{self.prefix}:rows:{view}:{version}:"

    def consent(self, purpose: Purpose) -> str:
        """The hash of decisions about a purpose by user."""
        return f"{self.prefix}:consent:{purpose}"

    @property
    def consent_changes(self) -> str:
        """The number of decisions taken in."""
        return f"{self.prefix}:consent:changes"


def moment(at: datetime, then: datetime | int = 0) -> bytes:
    """When something was so, as digits that sort: a time, and what tells two of the same microsecond apart."""
    second = then if isinstance(then, int) else _microseconds(then)
    return f"{_microseconds(at):0{_DIGITS}d}{second:0{_DIGITS}d}".encode()


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


class DecidedLately(NamedTuple):
    """A decision about consent as the hash of its purpose holds it."""

    granted: bool
    noted_at: datetime
    """When the stream had it, which may be long after it was decided."""

    @classmethod
    def read(cls, value: bytes) -> Self:
        """The decision of a value."""
        return cls(value[MOMENT_BYTES : MOMENT_BYTES + 1] == b"1", time_of(value[MOMENT_BYTES + 1 :]))


def decision_value(decided_at: datetime, noted_at: datetime, *, granted: bool) -> bytes:
    """A decision behind its moment; of two of the same moment the refusal is the later one."""
    return moment(decided_at, 0 if granted else 1) + (b"1" if granted else b"0") + moment(noted_at)[:_DIGITS]


def time_of(value: bytes) -> datetime:
    """The time of the moment a value begins with."""
    return _EPOCH + timedelta(microseconds=int(value[:_DIGITS]))
