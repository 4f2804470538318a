"""Who asked to be erased, what was done about it, and how an erased user is recognised without being kept."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from typing import ClassVar

import orjson
from pydantic import Field

from .envelope import Record, UtcDatetime
from .identifiers import Opaque
from .quantities import Count, Ordinal
from .table import Dataset, Table

ERASURES_EXPIRY_DAYS = 3650
ERASED_NUMBERS_EXPIRY_DAYS = 90
"""As long as raw events, with whose numbers they are added up."""


def tombstone(user_id: str, key: str) -> str:
    """What is kept of an erased user: the HMAC-SHA-256 of the user_id, in hexadecimal.

    Nobody without the key can try user_ids against it.
    """
    return hmac.new(key.encode(), user_id.encode(), hashlib.sha256).hexdigest()


def in_json(user_id: str) -> set[bytes]:
    """How a user_id may stand in the bytes of an event: a text of JSON, escaped or not."""
    return {json.dumps(user_id, ensure_ascii=escaped).encode() for escaped in (True, False)}


def is_about(document: bytes, users: Mapping[str, Collection[str]]) -> bool:
    """Whether the JSON of an event or failed event, or bytes that are no JSON, are about one of the users.

    `users` gives the sessions of each, by which an unsigned event is found. Of an event its own user_id counts; of a
    failed event's original bytes, and of what is no JSON, every text.
    """
    try:
        fields = orjson.loads(document)
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        return _names_any(document, users)
    user_id, session_id = fields.get("user_id"), fields.get("session_id")
    if isinstance(user_id, str) and user_id in users:
        return True
    if user_id is None and any(session_id in sessions for sessions in users.values()):
        return True
    return _names_any(_original_bytes(fields), users)


def _original_bytes(fields: Mapping[str, object]) -> bytes:
    """What a failed event was; nothing for an event."""
    payload = fields.get("payload")
    if not isinstance(payload, str) or "failed_at" not in fields:
        return b""
    try:
        return base64.b64decode(payload)
    except binascii.Error:
        return payload.encode()


def _names_any(content: bytes, users: Collection[str]) -> bool:
    return any(form in content for user_id in users for form in in_json(user_id))


class ErasedPlace(Record):
    """What an erasure found in one place."""

    place: str = Field(description="A table, a bucket, or what another command answered for.")
    found: Count = Field(description="Rows, objects' lines or entries found when it was looked at first.")
    remaining: Count = Field(description="Those still there when it was looked at last.")


class Erasure(Record):
    """One request to erase a user, and, once nothing is left, the certificate of it: counts only."""

    request_id: Opaque = Field(description="Identity of the request.")
    tombstone: Opaque = Field(description="Keyed hash of the user_id; the streaming job refuses events that match it.")
    user_id: Opaque | None = Field(None, description="Whom to erase; null once nothing is left of the user.")
    session_ids: tuple[Opaque, ...] = Field(
        (), description="The user's sessions, by which unsigned events are found; none once it is done."
    )
    requested_at: UtcDatetime = Field(description="When it was asked for. UTC, microseconds.")
    done_at: UtcDatetime | None = Field(None, description="When nothing was left. UTC, microseconds.")
    places: tuple[ErasedPlace, ...] = Field((), description="What was found, place by place.")
    time_travel_hours: Count | None = Field(
        None, description="So long BigQuery keeps deleted rows readable, and seven more days for its own repair."
    )

    table: ClassVar[Table] = Table(
        "erasures",
        Dataset.PRIVACY,
        partition_by="requested_at",
        expiry_days=ERASURES_EXPIRY_DAYS,
        erasure_exempt="it is the request, and its user_id is deleted when the request is done",
    )


class ErasedNumber(Record):
    """The number a capture process gave to an event that was erased, so that the ledger still adds up. About nobody."""

    writer_id: Opaque = Field(description="The writer that gave it.")
    sequence: Ordinal = Field(description="The number.")
    erased_at: UtcDatetime = Field(description="When the event was erased. UTC, microseconds.")

    table: ClassVar[Table] = Table(
        "erased_numbers",
        Dataset.PRIVACY,
        partition_by="erased_at",
        expiry_days=ERASED_NUMBERS_EXPIRY_DAYS,
        cluster_by=("writer_id",),
    )
