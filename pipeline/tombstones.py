"""Who has been erased, as the job knows it: a late or replayed event must not bring anybody back."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Self, TypeAlias

from shopstream.schemas import Reason, Rejected, SettingsError, Stage
from shopstream.schemas.erasure import tombstone
from shopstream.schemas.failure import OF_AN_ERASED_USER
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import ERASURES, dataset_id

from .arrival import Line, Received
from .cached import Cached
from .options import PipelineSettings
from .outcome import Outcome, each
from .retry import RETRY_SECONDS, retrying
from .secret_manager import read_secret
from .validate import validate
from .warehouse import ask, connect

Key: TypeAlias = Callable[[], str]
REFRESH = timedelta(seconds=60)
"""An erasure is in force in every worker after so long."""
_USERS_REMEMBERED = 100_000


class Tombstones:
    """The list of erased users, read when first needed and again once it is a minute old.

    Pickled without what was read: each worker reads its own, the key too.
    """

    def __init__(self, read: Callable[[], frozenset[str]], key: Key | None) -> None:
        """Start with nothing read; `read` gives the tombstones there are, `key` PRIVACY_KEY."""
        self._read, self._read_key = read, key
        self._key: str | None = None
        self._list = Cached(read, REFRESH, first=lambda: retrying(RETRY_SECONDS)(read))
        self._hashes: frozenset[str] = frozenset()
        self._hash = lru_cache(_USERS_REMEMBERED)(tombstone)

    @classmethod
    def of(cls, settings: PipelineSettings) -> Self:
        """Those of the warehouse."""
        key: Key | None = None
        if settings.privacy_key_secret is not None:
            key = partial(read_secret, settings.privacy_key_secret)
        elif settings.privacy_key is not None:
            key = settings.privacy_key.get_secret_value
        return cls(partial(_read_list, settings), key)

    def __reduce__(self) -> tuple[type["Tombstones"], tuple[Callable[[], frozenset[str]], Key | None]]:
        return Tombstones, (self._read, self._read_key)

    def refresh(self, now: datetime) -> None:
        """Read the list where it is too old. One that was read before stays in force while BigQuery is away.

        Raises:
            Unavailable: It was never read, and BigQuery does not answer; or Secret Manager does not for the key.
            SettingsError: The key cannot be read; or there is none, and users were erased who are recognised by it.
        """
        if self._key is None and self._read_key is not None:
            # Before anybody is erased, so that a right that is missing shows when the job starts.
            self._key = retrying(RETRY_SECONDS)(self._read_key)
        self._hashes = self._list.value(now)
        if self._hashes and self._key is None:
            raise SettingsError("PRIVACY_KEY is not set, but users were erased: without it they cannot be recognised")

    @property
    def is_empty(self) -> bool:
        """Whether nobody has been erased."""
        return not self._hashes

    def holds(self, user_id: str | None) -> bool:
        """Whether the user has been erased."""
        if not self._hashes or user_id is None or self._key is None:
            return False
        return self._hash(user_id, self._key) in self._hashes


class Admit:
    """Lines become events that keep their contract, of users who have not been erased."""

    def __init__(self, tombstones: Tombstones) -> None:
        self._tombstones = tombstones

    def __call__(self, lines: Sequence[Line], now: datetime) -> Outcome[Received]:
        """The lines of a message."""
        self._tombstones.refresh(now)
        # Every event goes through here: where nobody was erased it is not asked.
        return each(Stage.VALIDATE, validate if self._tombstones.is_empty else self._admit)(lines, now)

    def _admit(self, line: Line, now: datetime) -> Received:
        received = validate(line, now)
        if self._tombstones.holds(received.event.user_id):
            raise Rejected(Reason.ERASED_USER, OF_AN_ERASED_USER)
        return received


def _read_list(settings: PipelineSettings) -> frozenset[str]:
    place = f"{dataset_id(settings, Dataset.PRIVACY)}.{ERASURES.table.name}"
    client = connect(settings)
    try:
        rows = ask(client, f"SELECT DISTINCT tombstone FROM `{place}`", place)  # noqa: S608 - our own name
    finally:
        client.close()
    return frozenset(row["tombstone"] for row in rows)


def nobody() -> frozenset[str]:
    """The list before anybody has been erased."""
    return frozenset()
