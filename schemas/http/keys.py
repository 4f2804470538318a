"""Keys that clients present: a text with 256 random bits, of which only the hash is kept."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

_RANDOM_BYTES = 32
_LONGEST_TEXT = 256


class Hashed(Protocol):
    """Whatever a key stands for."""

    @property
    def sha256(self) -> bytes:
        """Of the key's text. With 256 random bits in it a slow hash would protect nothing."""


AnyKey = TypeVar("AnyKey", bound=Hashed)


def new_text(prefix: str, random: Random) -> str:
    """The text of a new key, which is kept nowhere."""
    return prefix + urlsafe_b64encode(random.randbytes(_RANDOM_BYTES)).decode().rstrip("=")


def hash_of(text: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def find_key(keys: Iterable[AnyKey], presented: str) -> AnyKey | None:
    """The key of that text; takes equally long whichever it is, and whether it is one."""
    if len(presented) > _LONGEST_TEXT:
        return None
    digest = hash_of(presented)
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def presented_in_headers(request: "HTTPConnection") -> str | None:
    """The key in X-Api-Key or Authorization: Bearer; empty where that has none, None where there is neither."""
    headers = request.headers
    if key := headers.get("X-Api-Key", ""):
        return key
    if authorization := headers.get("Authorization"):
        scheme, _, key = authorization.partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""
    return None
