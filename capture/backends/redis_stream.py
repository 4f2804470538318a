"""A Redis stream as a backend: one entry an event, with the fields event_type, event_id and document.

The stream keeps about CAPTURE_REDIS_STREAM_LENGTH entries and forgets the oldest, read or not: it is a tap on what
happens now, not a store. Entries are in the order of the spool. A batch that is sent again is added again, with the
same event_ids.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import orjson
import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ExecAbortError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry
from redis.typing import EncodableT, FieldT

from shopstream.schemas import RedisSettings, SettingsError, Unavailable
from shopstream.schemas.erasure import is_about

from ..spool_format import Record
from . import Batch

_ENTRIES_A_TRANSACTION = 500
"""Redis serves nobody else during a transaction; this many entries take it a few milliseconds."""
_IMPOSSIBLE_ID = "0-0"
"""Redis refuses this id last of all, when it has found nothing else to refuse."""
_WHAT_TO_DO: tuple[tuple[type[Exception], str], ...] = (
    (OutOfMemoryError, "is at its maxmemory: raise it, or lower CAPTURE_REDIS_STREAM_LENGTH"),
    (ReadOnlyError, "is a read-only replica: let REDIS_URL name the primary"),
    (BusyLoadingError, "is still loading its data; this passes"),
    (AuthenticationError, "does not accept the user or password in REDIS_URL"),
    (NoPermissionError, "does not allow this user XADD and TYPE on CAPTURE_REDIS_STREAM: see ACL SETUSER"),
    (redis.TimeoutError, "does not answer in time"),
    (redis.ConnectionError, "cannot be reached, or closed the connection"),
    (ExecAbortError, "took none of the batch"),
    (ResponseError, "did not take the batch"),
    (RedisError, "did not take the batch"),
    (OSError, "cannot be reached"),
)
"""The first that fits. None is Rejected: a document is nothing but bytes to Redis."""
_WHAT_THE_WORD_MEANS = {
    "WRONGTYPE": "holds something else than a stream at CAPTURE_REDIS_STREAM: name another key, or delete that one",
    "MISCONF": "takes no writes because it cannot save to its disk: see its log",
    "NOREPLICAS": "takes no writes because too few replicas are connected",
    "CLUSTERDOWN": "is a cluster that is down",
}
"""Answers for which the client has no class of its own, by their first word."""
_ERRORS = tuple(error for error, _ in _WHAT_TO_DO)


class RedisStream:
    """Adds to one stream. Without retries of its own, so that a dead server is seen within the timeout."""

    def __init__(self, where: RedisSettings, *, stream: str, length: int, timeout_seconds: float) -> None:
        self._stream, self._length = stream, length
        url = where.redis_url.get_secret_value()
        self._name = _without_credentials(url)
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # Every server speaks it, without a greeting first.
        )

    def send(self, batch: Batch) -> None:
        """Add the batch, in its order; of each transaction all or nothing is added."""
        for part in _parts(batch):
            try:
                self._add(part)
            except _ERRORS as error:
                raise self._translated(error) from None

    def check(self) -> None:
        """See whether the key is free or a stream, and whether entries may be added to it. Adds none."""
        try:
            kind = self._client.type(self._stream)
            if kind not in {b"none", b"stream"}:
                raise ResponseError("WRONGTYPE")
            self._client.xadd(self._stream, {"check": ""}, id=_IMPOSSIBLE_ID)
        except _ERRORS as error:
            if type(error) is ResponseError and _IMPOSSIBLE_ID in str(error):
                return
            raise self._translated(error) from None

    def erase(self, user_id: str) -> tuple[int, int]:
        """Delete every entry about the user; how many were found, and how many are left.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        try:
            found = list(self._entries_about(user_id))
            for start in range(0, len(found), _ENTRIES_A_TRANSACTION):
                self._client.xdel(self._stream, *found[start : start + _ENTRIES_A_TRANSACTION])
            return len(found), sum(1 for _ in self._entries_about(user_id))
        except _ERRORS as error:
            raise self._translated(error) from None

    def _entries_about(self, user_id: str) -> Iterator[bytes]:
        after = "-"
        # The client's types know every form of answer there is, but not which one it gives.
        client: Any = self._client
        while entries := client.xrange(self._stream, min=after, count=_ENTRIES_A_TRANSACTION):
            for entry, fields in entries:
                if is_about(fields.get(b"document", b""), {user_id: ()}):
                    yield entry
            after = f"({entries[-1][0].decode()}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _add(self, records: Sequence[Record]) -> None:
        with self._client.pipeline(transaction=True) as pipeline:
            for record in records:
                pipeline.xadd(self._stream, _fields(record), maxlen=self._length, approximate=True)
            answers = pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer

    def _translated(self, error: Exception) -> Unavailable:
        """What the client raised, in our words; its own text is left out, for it quotes the command."""
        word = str(error).rpartition("caused error: ")[2].partition(" ")[0]
        what = _WHAT_THE_WORD_MEANS.get(word) if type(error) is ResponseError else None
        what = what or next(what for kind, what in _WHAT_TO_DO if isinstance(error, kind))
        return Unavailable(f"Redis at {self._name} {what} ({type(error).__name__})")


def refuse_wrong_url(where: RedisSettings) -> None:
    """Say at start, not at the first event, that REDIS_URL is no address of a Redis.

    Raises:
        SettingsError: It is not.
    """
    try:
        parse_url(where.redis_url.get_secret_value())  # type: ignore[no-untyped-call]
    except ValueError:
        raise SettingsError(
            "REDIS_URL has a value it does not accept. It begins with redis://, rediss:// or unix://."
        ) from None


def _fields(record: Record) -> dict[FieldT, EncodableT]:
    return {
        "event_type": record.event_type,
        "event_id": orjson.loads(record.document)["event_id"],
        "document": record.document,
    }


def _parts(batch: Batch) -> Iterator[tuple[Record, ...]]:
    records = iter(batch)
    while part := tuple(islice(records, _ENTRIES_A_TRANSACTION)):
        yield part


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
