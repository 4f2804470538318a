"""Where an answer is looked for: in memory, in Redis, in the warehouse, and in memory again, however old.

It waits for nobody and reads no server: it says step by step what is to be read, and is told what was there. So it is
the same for who waits in a thread and for who awaits.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from shopstream.schemas import Unavailable
from shopstream.schemas.breaker import Breaker
from shopstream.schemas.serving.keys import MOMENT_BYTES, DecidedLately, Keys, Publication, time_of
from shopstream.schemas.serving.served import ServedConsentState
from shopstream.schemas.serving.views import CONSENTS, View
from shopstream.schemas.table import Purpose

from ..clock import Clock
from ..settings import FeatureSettings
from .answer import Answer, Source, nothing

Rows: TypeAlias = tuple[Any, ...]
PUBLISHED_SECONDS = 1.0
"""So long a reader keeps to the versions it knows, and to the decisions about consent."""


_NOBODY: frozenset[str] = frozenset()


class Step(NamedTuple):
    """Something to be read: a method of Wire, and its arguments, of which the last is how many seconds there are."""

    method: Literal["state", "decisions", "values", "warehouse", "wait"]
    arguments: tuple[Any, ...]


class State(NamedTuple):
    """What a reader looks at from time to time."""

    published: Mapping[bytes, bytes]
    consent_changes: int
    evicted_keys: int


class FromWarehouse(NamedTuple):
    """Rows of the latest date, for those keys that have any."""

    as_of: date | None
    rows: Mapping[str, Rows]


Steps: TypeAlias = Generator[Step, Any, Any]
TakeIn: TypeAlias = Callable[[View, Iterable[str], FromWarehouse], dict[str, Answer[Any]]]


class _Remembered(msgspec.Struct, frozen=True, gc=False):
    rows: Rows
    as_of: date | None
    version: str | None
    source: Source
    since: datetime
    read_at: float


class _Memory:
    """What was read, the latest of it: two halves, of which the older goes as a whole when the younger is full.

    To forget one answer at a time would cost more than to remember it.
    """

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._lock = threading.Lock()
        self._younger: dict[tuple[str, str], _Remembered] = {}
        self._older: dict[tuple[str, str], _Remembered] = {}

    def keep(self, view: str, read: Mapping[str, _Remembered]) -> None:
        with self._lock:
            if len(self._younger) + len(read) > self._half:
                self._older, self._younger = self._younger, {}
            younger = self._younger
            for key, remembered in islice(read.items(), self._half):
                younger[view, key] = remembered

    def recall(self, view: str, keys: Iterable[str], read_after: float) -> dict[str, _Remembered]:
        younger, older = self._younger, self._older
        found = {}
        for key in keys:
            known = younger.get((view, key)) or older.get((view, key))
            if known is not None and known.read_at > read_after:
                found[key] = known
        return found


class Lookup:
    """The memory of a process, and the order in which it asks."""

    def __init__(self, settings: FeatureSettings, clock: Clock, random: Random, new_future: Callable[[], Any]) -> None:
        self._settings, self._clock, self._new_future = settings, clock, new_future
        self._keys = Keys(settings.redis_prefix)
        self._breaker = Breaker(failures=3, first_seconds=0.25, longest_seconds=2.0, random=random)
        self._lock = threading.Lock()
        self._memory = _Memory(settings.serving_cache_entries)
        self._under_way: dict[tuple[str, str], Any] = {}
        self._published: dict[str, Publication] = {}
        self._evicted_keys = 0
        self._consent_changes: int | None = None
        self._refused: dict[Purpose, frozenset[str]] = {}
        self._looked_at: float | None = None
        self._failed_at = 0.0

    def find(self, view: View, keys: Iterable[str], seconds: float | None) -> Steps:
        """The answers by key, within so many seconds; raises nothing."""
        started = self._clock.monotonic()
        deadline = started + (self._settings.serving_deadline_seconds if seconds is None else seconds)
        asked = list(dict.fromkeys(keys))
        newer_than = started - self._settings.serving_cache_seconds
        found = self._recall(view, asked, newer_than, why=None)
        if len(found) == len(asked):
            if not self._settings.redis_enabled or self._knows_state(started):
                return found
            yield from self._look(view, (), deadline)  # Somebody may refuse by now.
            return self._recall(view, asked, newer_than, why=None)
        mine, others = self._claim(view, [key for key in asked if key not in found])
        if mine:
            answers: dict[str, Answer[Any]] = {}
            try:
                answers = yield from self._look(view, mine, deadline)
            finally:
                self._settle(view, mine, answers)
            if len(mine) == len(asked):
                return answers
            found |= answers
        for key, future in others.items():
            answers_of_another = yield Step("wait", (future, deadline - self._clock.monotonic()))
            found[key] = answers_of_another.get(key) or self._last_resort(view, (key,), "another call waits too")[key]
        return {key: found[key] for key in asked}

    def take_in(self, view: View, keys: Iterable[str], given: FromWarehouse) -> dict[str, Answer[Any]]:
        """Remember what the warehouse gave, in time or late; the answers."""
        now, read_at = self._clock.now(), self._clock.monotonic()
        return self._taken(
            view,
            {key: _Remembered(given.rows.get(key, ()), given.as_of, None, "warehouse", now, read_at) for key in keys},
        )

    def _look(self, view: View, keys: Sequence[str], deadline: float) -> Steps:
        answers: dict[str, Answer[Any]] = {}
        began = self._clock.monotonic()
        if self._settings.redis_enabled and self._breaker.may_try(began):
            try:
                answers = yield from self._look_in_redis(view, keys, deadline)
            except BaseException as error:
                # A caller that is gone says nothing of Redis, but a breaker that tries must be told.
                self._failed(began)
                if not isinstance(error, Unavailable):
                    raise
            else:
                self._breaker.succeeded()
        if len(answers) < len(keys):
            rest = [key for key in keys if key not in answers]
            try:
                given = yield Step("warehouse", (view, rest, self.take_in, deadline - self._clock.monotonic()))
            except Unavailable as error:
                answers |= self._last_resort(view, rest, str(error))
            else:
                answers |= given
        return answers

    def _failed(self, began: float) -> None:
        """Those that fail together fail once: a moment in which nothing runs here makes all of them late."""
        if began >= self._failed_at or self._breaker.state == "half_open":
            self._failed_at = self._clock.monotonic()
            self._breaker.failed(self._failed_at)

    def _knows_state(self, moment: float) -> bool:
        return self._looked_at is not None and moment < self._looked_at + PUBLISHED_SECONDS

    def _look_in_redis(self, view: View, keys: Sequence[str], deadline: float) -> Steps:
        yield from self._look_at_state(deadline)
        publication = self._published.get(view.name)
        if not keys or publication is None or publication.layout != view.layout or self._is_over(view, publication):
            return {}
        begins = self._keys.rows(view.name, publication.version)
        values = yield Step("values", ([begins + key for key in keys], self._redis_seconds(deadline)))
        read_at = self._clock.monotonic()
        as_of, version = publication.as_of, publication.version
        missing_is_none = self._evicted_keys <= publication.evicted_keys
        read: dict[str, _Remembered] = {}
        decode, live = view.decode, view.live
        for key, value in zip(keys, values, strict=True):
            since = publication.published_at
            if value is not None:
                try:
                    if live:
                        rows, since = decode(value[MOMENT_BYTES:]), time_of(value)
                    else:
                        rows = decode(value)
                except (msgspec.DecodeError, ValueError):
                    continue
            elif missing_is_none:
                rows = ()
            else:
                continue
            read[key] = _Remembered(rows, as_of, version, "redis", since, read_at)
        return self._taken(view, read)

    def _look_at_state(self, deadline: float) -> Steps:
        moment = self._clock.monotonic()
        if self._knows_state(moment):
            return
        state: State = yield Step("state", (self._keys, self._redis_seconds(deadline)))
        if state.consent_changes != self._consent_changes:
            decisions = yield Step("decisions", (self._keys, self._redis_seconds(deadline)))
            self._refused = {
                purpose: frozenset(user.decode() for user, value in theirs.items() if _refuses(value))
                for purpose, theirs in decisions.items()
            }
        self._published = {name.decode(): Publication.read(packed) for name, packed in state.published.items()}
        self._consent_changes, self._evicted_keys = state.consent_changes, state.evicted_keys
        self._looked_at = moment

    def _is_over(self, view: View, publication: Publication) -> bool:
        """Its rows have expired, and who is missing may have been there."""
        return not view.live and (self._clock.now() - publication.published_at).total_seconds() >= view.seconds

    def _redis_seconds(self, deadline: float) -> float:
        return min(self._settings.serving_redis_seconds, deadline - self._clock.monotonic())

    def _claim(self, view: View, keys: Iterable[str]) -> tuple[list[str], dict[str, Any]]:
        """Those this call looks for, and those another call is looking for already."""
        mine, others = [], {}
        name, under_way = view.name, self._under_way
        with self._lock:
            for key in keys:
                if (name, key) not in under_way:
                    under_way[name, key] = None  # Nobody waits for it yet.
                    mine.append(key)
                    continue
                if (theirs := under_way[name, key]) is None:
                    theirs = under_way[name, key] = self._new_future()
                others[key] = theirs
        return mine, others

    def _settle(self, view: View, keys: Sequence[str], answers: Mapping[str, Answer[Any]]) -> None:
        name, under_way = view.name, self._under_way
        with self._lock:
            waited_for = [future for key in keys if (future := under_way.pop((name, key))) is not None]
        for future in waited_for:
            future.set_result(answers)

    def _taken(self, view: View, read: Mapping[str, _Remembered]) -> dict[str, Answer[Any]]:
        self._memory.keep(view.name, read)
        return self._answers(view, read, why=None)

    def _recall(self, view: View, keys: Iterable[str], read_after: float, *, why: str | None) -> dict[str, Answer[Any]]:
        return self._answers(view, self._memory.recall(view.name, keys, read_after), why=why)

    def _last_resort(self, view: View, keys: Sequence[str], why: str) -> dict[str, Answer[Any]]:
        """What is remembered, unless it is too old to be given at all."""
        oldest = self._clock.monotonic() - self._settings.serving_stale_seconds
        return dict.fromkeys(keys, nothing(why)) | self._recall(view, keys, oldest, why=why)

    def _answers(self, view: View, remembered: Mapping[str, _Remembered], *, why: str | None) -> dict[str, Answer[Any]]:
        if not remembered:
            return {}
        now, refused = self._clock.now(), self._refused.get(view.purpose, _NOBODY) if view.purpose else _NOBODY
        answers = {}
        age, aged = 0.0, None
        for key, known in remembered.items():
            if known.since is not aged:  # One moment for all that are of one version.
                age, aged = (now - known.since).total_seconds(), known.since
            given = () if key in refused else known.rows
            if view is CONSENTS:
                given = self._with_refusals(key, given)
            answers[key] = Answer(given, known.as_of, known.version, known.source, age, why is not None, why)
        return answers

    def _with_refusals(self, user_id: str, states: Rows) -> Rows:
        """What the user has decided, and refused since."""
        lately = [purpose for purpose, users in self._refused.items() if user_id in users]
        if not lately:
            return states
        refused = tuple(ServedConsentState(purpose=purpose, granted=False) for purpose in lately)
        return (*(state for state in states if state.purpose not in lately), *refused)


def _refuses(value: bytes) -> bool:
    return not DecidedLately.read(value).granted
