"""The places capture forwards to, each switched by its own setting and imported only when on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shopstream.schemas import (
    CloudSettings,
    RedisSettings,
    Rejected,
    Settings,
    SettingsError,
    read_settings,
)

from ..settings import CaptureSettings
from ..spool_format import Record

Batch = tuple[Record, ...]
"""Records in the order in which they were spooled, of any event_type."""


class RefusedInPart(Rejected):
    """Some records of a batch will never be taken; all the others are safe and need not be sent again.

    Who does not look at `refusals` may treat it as any Rejected: sending the others again is harmless.
    """

    def __init__(self, refusals: Mapping[int, Rejected]) -> None:
        first = next(iter(refusals.values()))
        super().__init__(first.reason, first.detail, field=first.field)
        self.refusals = dict(refusals)
        """By place in the batch, from 0, why it was refused."""


class Backend(Protocol):
    """Takes a batch or raises. After return the batch is safe; after Unavailable nothing is known: it is sent again."""

    def send(self, batch: Batch) -> None:
        """Hand the batch over and wait for the acknowledgement.

        Raises:
            Unavailable: The same batch may succeed later.
            RefusedInPart: These records will never be taken, the others were.
            Rejected: Some event of the batch will never be taken.
        """

    def check(self) -> None:
        """See whether it can be reached, and whether what it needs is there.

        Raises:
            Unavailable: It cannot; the text says what is missing.
        """

    def close(self) -> None:
        """Let go of connections."""


BackendMaker = Callable[[], Backend]
"""Makes a backend's client; called in the process, and on the thread, that will use it."""


@dataclass(frozen=True)
class BackendOn:
    """A backend that is switched on."""

    make: BackendMaker
    settings: tuple[Settings, ...] = ()
    """What it reads beside CaptureSettings."""
    batch_seconds: float | None = None
    """How long events wait for others to travel with, where it should not be CAPTURE_BATCH_SECONDS."""

    def __call__(self) -> Backend:
        """Make its client.

        Raises:
            Unavailable: It cannot be made yet: credentials cannot be reached, say.
        """
        return self.make()


Now = Callable[[], datetime]
_Switch = Callable[[CaptureSettings, Mapping[str, str], Now], BackendOn]


def backends_on(settings: CaptureSettings, environ: Mapping[str, str], *, now: Now) -> dict[str, BackendOn]:
    """The backends that are switched on, by name.

    Raises:
        SettingsError: One needs a setting, or a package, that is not there.
    """
    return {name: _switched_on(name, settings, environ, now) for name in SWITCHES if getattr(settings, _switch(name))}


def _switched_on(name: str, settings: CaptureSettings, environ: Mapping[str, str], now: Now) -> BackendOn:
    try:
        return SWITCHES[name](settings, environ, now)
    except ImportError as error:
        raise SettingsError(
            f"CAPTURE_{_switch(name).upper()} is on, but {error.name} is not installed: "
            f"pip install 'shopstream[{name}]'"
        ) from None


def _switch(name: str) -> str:
    return f"{name}_enabled"


def _pubsub(settings: CaptureSettings, environ: Mapping[str, str], now: Now) -> BackendOn:
    del now
    from .pubsub import PubSub

    cloud = read_settings(CloudSettings, environ)

    def make() -> Backend:
        return PubSub(
            cloud,
            endpoint=settings.pubsub_endpoint,
            timeout_seconds=settings.pubsub_timeout_seconds,
            message_events=settings.message_events,
            message_bytes=settings.message_bytes,
        )

    return BackendOn(make, (cloud,))


def _storage(settings: CaptureSettings, environ: Mapping[str, str], now: Now) -> BackendOn:
    del now
    from .storage import Storage

    cloud = read_settings(CloudSettings, environ)
    bucket = _needed(settings.storage_bucket, "CAPTURE_STORAGE_BUCKET", "CAPTURE_STORAGE_ENABLED")

    def make() -> Backend:
        return Storage(
            cloud, bucket=bucket, prefix=settings.storage_prefix, timeout_seconds=settings.storage_timeout_seconds
        )

    return BackendOn(make, (cloud,), settings.storage_batch_seconds)


def _bigquery(settings: CaptureSettings, environ: Mapping[str, str], now: Now) -> BackendOn:
    from .bigquery import BigQuery

    cloud = read_settings(CloudSettings, environ)

    def make() -> Backend:
        return BigQuery(cloud, timeout_seconds=settings.bigquery_timeout_seconds, now=now)

    return BackendOn(make, (cloud,))


def _redis(settings: CaptureSettings, environ: Mapping[str, str], now: Now) -> BackendOn:
    del now
    from .redis_stream import RedisStream, refuse_wrong_url

    where = read_settings(RedisSettings, environ)
    refuse_wrong_url(where)

    def make() -> Backend:
        return RedisStream(
            where,
            stream=settings.redis_stream,
            length=settings.redis_stream_length,
            timeout_seconds=settings.redis_timeout_seconds,
        )

    return BackendOn(make, (where,))


def _file(settings: CaptureSettings, environ: Mapping[str, str], now: Now) -> BackendOn:
    del environ, now
    from .local_file import LocalFile

    path = Path(_needed(settings.file_path, "CAPTURE_FILE_PATH", "CAPTURE_FILE_ENABLED"))
    return BackendOn(lambda: LocalFile(path))


def _needed(value: str | None, variable: str, switch: str) -> str:
    if value is None:
        raise SettingsError(f"{variable} is not set, and {switch} is on.")
    return value


SWITCHES: Mapping[str, _Switch] = {
    "pubsub": _pubsub,
    "storage": _storage,
    "bigquery": _bigquery,
    "redis": _redis,
    "file": _file,
}
"""Every backend there is, by the name its settings, its cursor and its extra carry."""
