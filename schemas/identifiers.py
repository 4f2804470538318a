"""Identities: the shapes they must have, and how a new event_id is made."""

import re
from datetime import datetime
from random import Random
from typing import Annotated

from pydantic import Field

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_EVENT_ID_FIELD = re.compile(rb'"event_id"\s*:\s*"(' + _UUID.encode() + rb')"')
_USER_ID_FIELD = re.compile(rb'"user_id"\s*:\s*"([^"\\\x00-\x1f\x7f]{1,256})"')

NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f]+$"

EventId = Annotated[str, Field(pattern=f"^{_UUID}$")]
"""A UUID in lower-case canonical text; capture gives version 7, foreign publishers may bring another."""

Opaque = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL_CHARACTERS)]
"""An identifier whose inner shape is the shop's own: 1 to 256 characters, none of them a control character."""


def make_event_id(now: datetime, random: Random) -> str:
    """A new UUIDv7 (RFC 9562, section 5.7): milliseconds of `now`, then 74 random bits."""
    milliseconds = int(now.timestamp() * 1000)
    chance = random.getrandbits(74)
    text = f"{milliseconds << 80 | 7 << 76 | chance >> 62 << 64 | 2 << 62 | chance & (1 << 62) - 1:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def find_event_id(payload: bytes) -> str | None:
    """The event_id in bytes that could not be read as an event, where one can still be recognised."""
    found = _EVENT_ID_FIELD.search(payload)
    return found[1].decode() if found else None


def find_user_id(payload: bytes) -> str | None:
    """The user_id in such bytes, so that a failed event can be erased with the person it is about."""
    found = _USER_ID_FIELD.search(payload)
    return found[1].decode(errors="replace") if found else None
