"""An identifier must say nothing of the person behind it: an e-mail address or a phone number is refused or hashed."""

import hashlib
import hmac
import re

from shopstream.schemas import Reason, Rejected
from shopstream.schemas.personal_numbers import is_phone
from shopstream.schemas.scrub import folded, has_email

HASH_PREFIX = "h-"
_HASH_CHARACTERS = 32
"""128 bits: two of a thousand million shoppers share a hash once in about 10^21 shops."""
_MOST_REMEMBERED = 10_000
"""Ids that took a second look and are opaque, such as 0010023456, are not looked at again; others are not held."""

is_plainly_opaque = re.compile(r"(?:[1-9]|[A-Za-z](?!el:))[\w:|.\-]*(?<![.\-][0-9]{4})", re.ASCII).fullmatch
"""Ids that need no second look: no @, +, blank or bracket, no leading 0, no end like that of 415-555-0132."""


class UserIds:
    """Keeps opaque ids as they are, and keeps out those that are an e-mail address or a phone number.

    Digits alone are a customer number, unless they begin with 0 and the plan of a country knows them as a phone number.
    """

    def __init__(self, key: bytes | None, *, strict: bool) -> None:
        self._key, self._strict = key, strict
        self._found_opaque: set[str] = set()

    def kept(self, user_id: str, field: str = "user_id") -> str | None:
        """The same object where the id is opaque; otherwise its keyed hash, or None where there is no key.

        The hash is the first half of HMAC-SHA-256 (RFC 2104), as `h-` and 32 hexadecimal digits, of the address in
        lower case or of the number's digits: one key gives one hash on every host, whatever capitals, blanks or signs
        it was written with. Without a key nothing is kept, for an unkeyed hash of an address is undone by hashing
        every known address.

        Raises:
            Rejected: In strict mode only: it is no opaque id. The text holds nothing of it.
        """
        if is_plainly_opaque(user_id) is not None or user_id in self._found_opaque:
            return user_id
        kind = _kind_of(user_id)
        if kind is None:
            if len(self._found_opaque) >= _MOST_REMEMBERED:
                self._found_opaque.clear()
            self._found_opaque.add(user_id)
            return user_id
        if self._strict:
            raise Rejected(
                Reason.INVALID_VALUE,
                f"{field} looks like {kind}; give an opaque id that says nothing of the person",
                field=field,
            )
        if self._key is None:
            return None
        digest = hmac.new(self._key, _canonical(user_id).encode(errors="surrogatepass"), hashlib.sha256)
        return HASH_PREFIX + digest.hexdigest()[:_HASH_CHARACTERS]


def _kind_of(user_id: str) -> str | None:
    if has_email(user_id):
        return "an e-mail address"
    plain = folded(user_id)
    return "a phone number" if is_phone(plain.removeprefix("tel:")) else None


def _canonical(user_id: str) -> str:
    """One spelling for all of the same: +49 170 1234567 is 0049-170-1234567; an address has no capitals."""
    plain = folded(user_id).strip().lower()
    if "@" in plain:
        return plain.removeprefix("mailto:")
    plain = plain.removeprefix("tel:").replace("(0)", "")
    digits = "".join(character for character in plain if character.isdigit())
    return "+" + digits.removeprefix("00") if plain.lstrip("(").startswith(("+", "00")) else digits
