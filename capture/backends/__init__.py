"""The places capture forwards to, each switched by its own setting and imported only when on."""

from collections.abc import Callable, Mapping
from typing import Protocol

from shopstream.schemas import CloudSettings, SettingsError, read_settings

from ..settings import CaptureSettings
from ..spool_format import Record

Batch = tuple[Record, ...]
"""Records in the order in which they were spooled, of any event_type."""


class Backend(Protocol):
    """Takes a batch or raises. After return the batch is safe; after Unavailable nothing is known: it is sent again."""

    def send(self, batch: Batch) -> None:
        """Hand the batch over and wait for the acknowledgement.

        Raises:
            Unavailable: The same batch may succeed later.
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


def backends_on(settings: CaptureSettings, environ: Mapping[str, str]) -> dict[str, BackendMaker]:
    """The backends that are switched on, by name.

    Raises:
        SettingsError: One needs a setting, or a package, that is not there.
    """
    makers: dict[str, BackendMaker] = {}
    if settings.pubsub_enabled:
        try:
            from .pubsub import PubSub
        except ImportError as error:
            raise SettingsError(
                f"CAPTURE_PUBSUB_ENABLED is on, but {error.name} is not installed: pip install 'shopstream[pubsub]'"
            ) from None
        cloud = read_settings(CloudSettings, environ)
        makers["pubsub"] = lambda: PubSub(
            cloud,
            timeout_seconds=settings.pubsub_timeout_seconds,
            message_events=settings.message_events,
            message_bytes=settings.message_bytes,
        )
    return makers
