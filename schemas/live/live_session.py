"""What has happened in a session so far."""

from typing import ClassVar

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..features import CartLine
from ..identifiers import Opaque
from ..quantities import Count, Ordinal
from ..table import Dataset, Table
from .live_reorders import LIVE_EXPIRY_DAYS


class LiveSession(Record):
    """A session as it is after an event of it; of several rows of a session the one with most events is the latest."""

    computed_at: UtcDatetime = Field(description="When the stream counted it; the partition. UTC, microseconds.")
    session_id: Opaque = Field(description="Identity of the visit.")
    user_id: Opaque | None = Field(None, description="Whose it is: an opaque identifier; null when not known.")
    events: Ordinal = Field(description="Steps counted so far, each once; impressions left out.")
    started_at: UtcDatetime = Field(description="Its first step. UTC, microseconds.")
    ended_at: UtcDatetime = Field(description="Its latest step. UTC, microseconds.")
    searches: Count = Field(description="Searches, each page counted.")
    views: Count = Field(description="Products looked at.")
    clicks: Count = Field(description="Results clicked.")
    cart_adds: Count = Field(description="Times a product was put into the cart.")
    orders: Count = Field(description="Orders placed.")
    cart: tuple[CartLine, ...] = Field((), description="What is in the cart, by product.")

    table: ClassVar[Table] = Table(
        "live_sessions",
        Dataset.FEATURES,
        partition_by="computed_at",
        expiry_days=LIVE_EXPIRY_DAYS,
        cluster_by=("user_id", "session_id"),
        erase_by="user_id",
        purpose="analytics",
    )
