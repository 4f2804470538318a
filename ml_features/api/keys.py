"""Who may ask: keys of which only the hash is kept, each with a role and an end.

A role may do what the roles before it may. None of the keys belongs into a web page: each reads what is known of users.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from os import stat_result
from pathlib import Path
from random import Random
from typing import get_args

from shopstream.schemas import SettingsError
from shopstream.schemas.http.keys import find_key, hash_of, new_text
from shopstream.schemas.lookup import ApiRole

from .settings import ApiSettings

logger = logging.getLogger(__name__)

ROLES: tuple[ApiRole, ...] = get_args(ApiRole)
PREFIXES: Mapping[ApiRole, str] = {"read": "pk_", "application": "sk_", "admin": "ak_"}
LOOK_SECONDS = 1.0
"""So long a file of keys is taken for unchanged."""

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([a-z]+):([0-9a-f]{64})(?::(\d{8}T\d{6}Z))?")
_UNTIL = "%Y%m%dT%H%M%SZ"
_FORM = (
    "a key is name:role:sha256 or name:role:sha256:until, its name 1 to 64 letters, digits, dots, hyphens and "
    "underscores, its end such as 20261231T235959Z; `shopstream-features key new NAME` makes one"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key."""

    name: str
    role: ApiRole
    sha256: bytes
    """Of the key's text."""
    until: datetime | None = None
    """From then on it is none."""

    def may(self, role: ApiRole) -> bool:
        """Whether it may do what this role may."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def line(self) -> str:
        """The key as a file of keys holds it."""
        end = "" if self.until is None else f":{self.until:{_UNTIL}}"
        return f"{self.name}:{self.role}:{self.sha256.hex()}{end}"


def new_key(name: str, role: ApiRole, until: datetime | None, random: Random) -> tuple[str, ApiKey]:
    """A new key's text, which is kept nowhere, and what is kept of it.

    Raises:
        SettingsError: The name is none.
    """
    text = new_text(PREFIXES[role], random)
    key = ApiKey(name, role, hash_of(text), until)
    _key_in(key.line(), "the new key")
    return text, key


def rotated(keys: Sequence[ApiKey], name: str, end: datetime, random: Random) -> tuple[str, list[ApiKey]]:
    """The text of a new key of this name and role, and all keys: the old ones of the name end then, if not before.

    Raises:
        SettingsError: No key has this name.
    """
    text, key = new_key(name, _of_name(keys, name)[-1].role, None, random)
    ended = [replace(old, until=min(end, old.until or end)) if old.name == name else old for old in keys]
    return text, [*ended, key]


def revoked(keys: Sequence[ApiKey], name: str) -> list[ApiKey]:
    """The keys without those of this name.

    Raises:
        SettingsError: No key has this name.
    """
    _of_name(keys, name)
    return [key for key in keys if key.name != name]


def read_keys(text: str, where: str) -> list[ApiKey]:
    """The keys in lines or words; what follows a # is a comment. `where` is what an error names.

    Raises:
        SettingsError: A line is no key. The text names the line, not the hash.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    return [_key_in(word, f"{where}, key {number}") for number, word in enumerate(words, 1)]


def read_file(path: str) -> list[ApiKey]:
    """The keys of a file.

    Raises:
        SettingsError: It cannot be read, or a line is no key.
    """
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"SERVING_API_KEYS_FILE: {path} cannot be read: {type(error).__name__}") from None
    return read_keys(text, path)


class KeyRing:
    """Every key there is at the moment.

    Raises:
        SettingsError: At the start: there is no key, or one is wrong. Later a file that is wrong leaves the keys as
            they were, for a slip of the pen shall not lock everybody out; `trouble` says so.
    """

    def __init__(self, settings: ApiSettings, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._file, self._now, self._monotonic = settings.keys_file, now, monotonic
        given = settings.keys.get_secret_value() if settings.keys else ""
        self._given = read_keys(given, "SERVING_API_KEYS")
        self._keys: Sequence[ApiKey] = self._given
        self._looked_at = monotonic()
        self._seen: object = self._state()
        self.trouble: str | None = None
        if self._file is not None:
            self._keys = [*self._given, *read_file(self._file)]
        if not self._keys:
            raise SettingsError(
                "no key is set: make one with `shopstream-features key new NAME` and put its line into "
                "SERVING_API_KEYS or a SERVING_API_KEYS_FILE"
            )

    def find(self, presented: str) -> ApiKey | None:
        """The key of that text, if it has not ended."""
        self._look()
        key = find_key(self._keys, presented)
        return None if key is None or (key.until is not None and key.until <= self._now()) else key

    def _look(self) -> None:
        if self._file is None or self._monotonic() < self._looked_at + LOOK_SECONDS:
            return
        self._looked_at = self._monotonic()
        state = self._state()
        if state == self._seen:
            return
        try:
            self._keys = [*self._given, *read_file(self._file)]
        except SettingsError as error:
            self.trouble = str(error)
            logger.warning("the keys stay as they were: %s", error)
        else:
            self._seen, self.trouble = state, None

    def _state(self) -> object:
        if self._file is None:
            return None
        try:
            state: stat_result = Path(self._file).stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size, state.st_ino


def _of_name(keys: Iterable[ApiKey], name: str) -> list[ApiKey]:
    found = [key for key in keys if key.name == name]
    if not found:
        raise SettingsError(f"no key is named {name}")
    return found


def _key_in(word: str, where: str) -> ApiKey:
    found = _LINE.fullmatch(word)
    if found is None:
        raise SettingsError(f"{where}: {_FORM}")
    role = next((role for role in ROLES if role == found[2]), None)
    if role is None:
        raise SettingsError(f"{where}: {found[2]!r} is not one of {', '.join(ROLES)}")
    try:
        until = datetime.strptime(found[4], _UNTIL).replace(tzinfo=UTC) if found[4] else None
    except ValueError:
        raise SettingsError(f"{where}: {_FORM}") from None
    return ApiKey(found[1], role, bytes.fromhex(found[3]), until)
