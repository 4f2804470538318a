"""Identities: the shapes they must have, and how a new event_id is made."""

import json
import re
from datetime import UTC, datetime
from random import Random
from typing import Annotated

from pydantic import Field

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_EVENT_ID_FIELD = re.compile(rb'"event_id"\s*:\s*"(' + _UUID.encode() + rb')"')
_NUMBER_FIELDS = re.compile(rb'"writer_id":"([^"\\\x00-\x1f\x7f]{1,256})","sequence":([0-9]{1,18})}$')
_USER_ID_FIELD = re.compile(rb'"user_id"\s*:\s*("(?:[^"\\\x00-\x1f\x7f]|\\.){1,1536}")')
"""A text of JSON with its quotes: 256 characters, of which each may be escaped as six."""

_LONGEST_NUMBER_FIELDS = 320
_WHOLE_UUID = re.compile(_UUID).fullmatch
_CHANCE_BYTES = 10
_DRAWN_AT_ONCE = 64
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The two highest bits of a UUID's 17th digit are 1 and 0."""

NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f]+$"

EventId = Annotated[str, Field(pattern=f"^{_UUID}$")]
"""A UUID in lower-case canonical text; capture gives version 7, foreign publishers may bring another."""

Opaque = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL_CHARACTERS)]
"""An identifier whose inner shape is the shop's own: 1 to 256 characters, none of them a control character."""


def make_event_id(now: datetime, random: Random) -> str:
    """A new UUIDv7 (RFC 9562, section 5.7): milliseconds of `now`, the version, then 74 random bits."""
    return _head(int(now.timestamp() * 1000)) + _tail(random.randbytes(_CHANCE_BYTES).hex())


class EventIds:
    """Makes many event_ids; draws their chance in blocks, for a draw from the system costs more than the rest."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._drawn: list[str] = []
        self._latest = (-1, "")
        """A millisecond and what the event_ids of it begin with: a busy service makes many within one."""

    def make(self, now: datetime) -> str:
        """A new one, as make_event_id makes them."""
        milliseconds = int(now.timestamp() * 1000)
        latest, head = self._latest
        if milliseconds != latest:
            head = _head(milliseconds)
            self._latest = milliseconds, head
        try:
            chance = self._drawn.pop()
        except IndexError:
            drawn = self._random.randbytes(_CHANCE_BYTES * _DRAWN_AT_ONCE).hex(" ", _CHANCE_BYTES).split()
            chance = drawn.pop()
            self._drawn = drawn
        return head + _tail(chance)

    def forget(self) -> None:
        """In a forked child: what is drawn already is its parent's."""
        self._drawn = []


def _head(milliseconds: int) -> str:
    time = f"{milliseconds:012x}"
    return f"{time[:8]}-{time[8:]}-7"


def _tail(chance: str) -> str:
    return f"{chance[:3]}-{_VARIANT[chance[3]]}{chance[4:7]}-{chance[7:19]}"


def is_event_id(text: str) -> bool:
    """True where it has the form of an event_id."""
    return _WHOLE_UUID(text) is not None


def find_event_id(payload: bytes) -> str | None:
    """The event_id in bytes that could not be read as an event, where one can still be recognised."""
    found = _EVENT_ID_FIELD.search(payload)
    return found[1].decode() if found else None


def find_user_id(payload: bytes) -> str | None:
    """The user_id in such bytes, so that a failed event can be erased with the person it is about."""
    found = _USER_ID_FIELD.search(payload)
    if found is None:
        return None
    try:
        return str(json.loads(found[1].decode(errors="replace")))
    except ValueError:  # Not even this text is JSON.
        return None


def find_number(payload: bytes) -> tuple[str, int] | tuple[None, None]:
    """Writer and number at the end of an event's bytes, where capture writes them, so that none goes missing."""
    found = _NUMBER_FIELDS.search(payload[-_LONGEST_NUMBER_FIELDS:])
    return (found[1].decode(errors="replace"), int(found[2])) if found else (None, None)


def made_at(payload: bytes) -> datetime | None:
    """When the event_id in these bytes was made, to the millisecond; None where there is none of version 7."""
    event_id = find_event_id(payload)
    if event_id is None or event_id[14] != "7":
        return None
    milliseconds = int(event_id[:8] + event_id[9:13], 16)
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError):
        return None
