"""Who asked to be erased, what was done about it, and how an erased user is recognised without being kept."""

import hashlib
import hmac
from typing import ClassVar

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
