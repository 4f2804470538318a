"""Feature tables to Redis: written under a new version, then switched to in one step, for all keys at once.

Whatever ends a publication before that step leaves readers with the version they have. Two versions stay: the
published one, and the one before for readers that have not seen the step yet.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, cast

import msgspec
import pyarrow as pa
import redis
from google.cloud import bigquery
from redis.exceptions import LockError
from redis.lock import Lock

from shopstream.schemas import Unavailable
from shopstream.schemas.serving.keys import DecidedLately, Keys, Publication
from shopstream.schemas.serving.scripts import PUBLISH, SET_MANY
from shopstream.schemas.serving.views import EVERYTHING, View
from shopstream.schemas.table import PURPOSES

from ..settings import FeatureSettings
from ..warehouse import Parameter, arrow_batches
from .redis_client import ERRORS, connect_to_redis, redis_translated
from .warehouse_rows import served_conditions, served_source

DECISIONS_AGE = timedelta(days=3)
"""No value is older: all are computed and published anew, or have expired."""
KEYS_A_BATCH = 1000
LOCK_SECONDS = 300.0
"""A publication that was killed keeps others out for so long."""
SCANNED_A_STEP = 1000
REPORTED_KEYS = 100_000

Value = tuple[str, bytes]
"""A key's own part, the user or product, and its value."""


@dataclass(frozen=True)
class Published:
    """What became of a publication."""

    view: str
    as_of: date
    version: str
    keys: int
    switched: bool
    """False where a later date is published already: then it stays."""
    removed_keys: int
    """Keys of older versions, and of publications that broke off, that were removed."""


def view_batches(
    client: bigquery.Client, settings: FeatureSettings, view: View, as_of: date
) -> Iterator[pa.RecordBatch]:
    """What a view has of a date: first the key, then the view's columns, or one column with a list of their structs.

    Without users who refuse by now, whatever the table was computed with.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: The table is missing.
    """
    parameters = [Parameter("as_of", "DATE", as_of)] if view.dated else []
    if view.purpose is not None:
        parameters.append(Parameter("allowed_otherwise", "BOOL", settings.allowed_otherwise))
    return arrow_batches(client, settings, _statement(view), parameters)


def publish_views(
    client: bigquery.Client,
    settings: FeatureSettings,
    views: Iterable[View],
    as_of: date,
    now: Callable[[], datetime],
    *,
    report: Callable[[str], None] = lambda _: None,
) -> "Iterator[Published]":
    """Publish what the warehouse has of a date to the Redis of the settings, one view after the other.

    Raises:
        Unavailable: BigQuery or Redis does not answer; what was published before stays.
        SettingsError: A table is missing.
    """
    with connect_to_redis(settings) as server:
        publisher = Publisher(server, settings.redis_prefix, report)
        for view in views:
            day = as_of if view.dated else now().date()
            yield publisher.publish(view, day, now(), view_batches(client, settings, view, day))


class Publisher:
    """Publishes views to one Redis.

    Raises:
        Unavailable: When publishing: Redis does not answer, or has no room; readers keep what they have.
    """

    def __init__(self, client: redis.Redis, prefix: str, report: Callable[[str], None] = lambda _: None) -> None:
        self._client, self._keys, self._report = client, Keys(prefix), report
        self._switch = client.register_script(PUBLISH)

    def publish(self, view: View, as_of: date, now: datetime, batches: Iterable[pa.RecordBatch]) -> Published:
        """Publish these rows, in the form of `view_batches`, as the view's of a date."""
        version = f"{now:%Y%m%dT%H%M%S%f}"
        with redis_translated(), self._alone(view) as lock:
            known = self._publication(view)
            removed = self._remove_broken_off(view, known)
            self._client.hset(self._keys.begun, view.name, version)
            try:
                evicted = self._evicted_keys()
                keys, older = self._write(lock, view, version, known, _values(view, batches))
                self._refuse_evicted(view, evicted)
                publication = Publication(
                    order=f"{as_of.isoformat()} {version}",
                    as_of=as_of,
                    version=version,
                    layout=view.layout,
                    keys=keys,
                    published_at=now,
                    evicted_keys=evicted,
                    previous_version=None if known is None else known.version,
                )
                packed = publication.packed()
                switched = bool(self._switch(keys=[self._keys.published], args=[view.name, publication.order, packed]))
            except BaseException:
                with suppress(*ERRORS):  # The next publication removes what is left.
                    self._remove(view, version)
                raise
            if not switched:
                removed += self._remove(view, version)
            self._forget_decisions(now)
        return Published(view.name, as_of, version, keys, switched, removed + older)

    def _publication(self, view: View) -> Publication | None:
        packed = cast("bytes | None", self._client.hget(self._keys.published, view.name))
        return None if packed is None else Publication.read(packed)

    @contextmanager
    def _alone(self, view: View) -> Iterator[Lock]:
        """One publication of a view at a time, or one would remove the other's keys as leftovers."""
        lock = self._client.lock(self._keys.publishing(view.name), timeout=LOCK_SECONDS, blocking=False)
        if not lock.acquire():
            raise Unavailable(f"{view.name} is being published by another process")
        try:
            yield lock
        except LockError as error:
            raise Unavailable(
                f"{view.name} was not published: its lock is gone, by another process or because Redis evicts keys"
            ) from error
        finally:
            with suppress(*ERRORS):  # It ends by itself.
                lock.release()

    def _write(
        self, lock: Lock, view: View, version: str, known: Publication | None, values: Iterator[Value]
    ) -> tuple[int, int]:
        """How many keys were written, and how many of the version before the previous one removed for it.

        One batch is under way while the next is encoded.
        """
        begins = self._keys.rows(view.name, version)
        no_longer_read = None if known is None else known.previous_version
        older = "" if no_longer_read is None else self._keys.rows(view.name, no_longer_read)
        script = self._client.script_load(SET_MANY)
        pool = self._client.connection_pool
        connection = cast("Any", pool.get_connection())  # Its methods have no types.
        written = under_way = removed = 0
        try:
            while some := list(islice(values, KEYS_A_BATCH)):
                keys, packed = [key for key, _ in some], [value for _, value in some]
                connection.send_command("EVALSHA", script, len(keys), *keys, begins, older, view.seconds, *packed)
                written, under_way = written + len(some), under_way + 1
                if under_way > 1:
                    removed += connection.read_response()
                    under_way -= 1
                if written % REPORTED_KEYS == 0:
                    lock.reacquire()
                    self._report(f"{view.name}: {written:,} keys")
            if under_way:
                removed += connection.read_response()
            lock.reacquire()
        except BaseException:
            connection.disconnect()  # An answer may be under way to nobody.
            raise
        finally:
            pool.release(connection)
        return written, removed

    def _evicted_keys(self) -> int:
        return int(self._client.info("stats")["evicted_keys"])

    def _forget_decisions(self, now: datetime) -> None:
        """Those that every table published since was computed with."""
        for purpose in PURPOSES:
            place = self._keys.consent(purpose)
            decided = cast("dict[bytes, bytes]", self._client.hgetall(place))
            if old := [
                user for user, value in decided.items() if DecidedLately.read(value).noted_at < now - DECISIONS_AGE
            ]:
                self._client.hdel(place, *old)
                self._client.incr(self._keys.consent_changes)

    def _refuse_evicted(self, view: View, before: int) -> None:
        if (evicted := self._evicted_keys() - before) > 0:
            raise Unavailable(f"Redis evicted {evicted} keys while {view.name} was written: raise its maxmemory")

    def _remove_broken_off(self, view: View, known: Publication | None) -> int:
        """What a publication that was killed has left."""
        begun = cast("bytes | None", self._client.hget(self._keys.begun, view.name))
        if begun is None or (known is not None and begun.decode() in known.versions):
            return 0
        return self._remove(view, begun.decode())

    def _remove(self, view: View, version: str) -> int:
        """Looks through all keys there are, and so is for what broke off only."""
        removed = cursor = 0
        while True:
            cursor, found = self._client.scan(
                cursor, match=self._keys.rows(view.name, version) + "*", count=SCANNED_A_STEP
            )
            if found:
                removed += self._client.unlink(*found)
            if cursor == 0:
                return removed


def _statement(view: View) -> str:
    key = f"given.`{view.key}`" if view.key else f"'{EVERYTHING}'"
    conditions = ["given.as_of = @as_of" if view.dated else "TRUE", *served_conditions(view)]
    source = f"{served_source(view)} WHERE {' AND '.join(conditions)}"
    columns = ", ".join(f"given.`{column}` AS `{column}`" for column in view.columns)
    if view.most == 1:
        return f"SELECT {key} AS served_by, {columns} FROM {source}"  # noqa: S608 - our own names
    order = ", ".join(f"given.`{column}`" for column in view.order_by)
    items = f"ARRAY_AGG(STRUCT({columns}) ORDER BY {order} LIMIT {view.most})"
    return f"SELECT {key} AS served_by, {items} AS items FROM {source} GROUP BY served_by"  # noqa: S608 - as above


def _values(view: View, batches: Iterable[pa.RecordBatch]) -> Iterator[Value]:
    encode = msgspec.msgpack.Encoder().encode
    for batch in batches:
        served_by, *columns = (_without_names(column) for column in batch.columns)
        if view.most == 1:
            for key, *row in zip(served_by, *columns, strict=True):
                yield key, encode((row,))
        else:
            for key, items in zip(served_by, columns[0], strict=True):
                yield key, encode(items)


def _without_names(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return [_plain(value) for value in values] if pa.types.is_nested(column.type) else values


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever Arrow gives
    """Structs without names, as deep as they go."""
    if isinstance(value, dict):
        return [_plain(each) for each in value.values()]
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
