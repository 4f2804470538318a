"""Who may send: keys of which only the hash is kept.

A key that begins with `pk_` is publishable: it stands in a web page for everybody to read, and is therefore also taken
from the query string, where `navigator.sendBeacon` has to put it. One that begins with `sk_` is secret and is taken
from a header only, because addresses end up in logs.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from shopstream.schemas import EVENT_TYPES, SettingsError
from shopstream.schemas.events import LEDGER_ENTRY
from shopstream.schemas.http.keys import hash_of, new_text

PUBLISHABLE, SECRET = "pk_", "sk_"
FOR_BROWSERS = ("interaction", "search")
"""What a publishable key may send unless told otherwise: a page knows what was seen, not what was paid."""

TAKEN = {event_type: model for event_type, model in EVENT_TYPES.items() if event_type != LEDGER_ENTRY}
"""The event types that a client may send at all: only a writer itself accounts for its numbers."""

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([0-9a-f]{64})(?::([a-z_,]+))?")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key."""

    name: str
    """Becomes the `source` of every event sent with it."""
    sha256: bytes
    """Of the key's text."""
    event_types: frozenset[str]
    """What it may send."""

    def line(self) -> str:
        """The key as CAPTURE_COLLECTOR_KEYS holds it."""
        types = "" if self.event_types == set(TAKEN) else ":" + ",".join(sorted(self.event_types))
        return f"{self.name}:{self.sha256.hex()}{types}"


def new_key(name: str, event_types: Iterable[str], *, publishable: bool, random: Random) -> tuple[str, ApiKey]:
    """A new key's text, which is kept nowhere, and what is kept of it.

    Raises:
        SettingsError: The name or an event type is none.
    """
    text = new_text(PUBLISHABLE if publishable else SECRET, random)
    types = frozenset(event_types) or frozenset(FOR_BROWSERS if publishable else TAKEN)
    key = ApiKey(name, hash_of(text), types)
    _key_in(key.line(), "the new key")
    return text, key


def read_keys(text: str, where: str) -> list[ApiKey]:
    """The keys in lines `name:sha256:types`; the types, separated by commas, may be left out to allow all.

    What follows a # is a comment. `where` is what an error names.

    Raises:
        SettingsError: A line is no key, or two have the same name. The text names the line, not the hash.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    keys = [_key_in(word, f"{where}, key {number}") for number, word in enumerate(words, 1)]
    names = [key.name for key in keys]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"{where}: two keys are named {twice[0]}; a key's name is the source of its events")
    return keys


def _key_in(word: str, where: str) -> ApiKey:
    found = _LINE.fullmatch(word)
    if found is None:
        raise SettingsError(
            f"{where}: a key is name:sha256 or name:sha256:types, its name 1 to 64 letters, digits, dots, hyphens and "
            "underscores; `shopstream-capture key NAME` makes one"
        )
    types = frozenset(found[3].split(",")) if found[3] else frozenset(TAKEN)
    if unknown := sorted(types - set(TAKEN)):
        raise SettingsError(f"{where}: {unknown[0]!r} is not one of {', '.join(TAKEN)}")
    return ApiKey(found[1], bytes.fromhex(found[2]), types)
