"""What happened in each session, in its order."""

from datetime import date
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import Opaque
from ..quantities import Count, Currency, Quantity
from ..table import Dataset, Table

SESSIONS_EXPIRY_DAYS = 400
"""A year and a month, so that cohorts can be compared with those of a year ago."""


class SessionStep(Record):
    """One thing that was done in a session."""

    occurred_at: UtcDatetime = Field(description="When. UTC, microseconds.")
    step: str = Field(description="`search`, an interaction's action, or `order`.")
    product_id: Opaque | None = Field(None, description="The product of an interaction.")
    query_id: Opaque | None = Field(None, description="The search it is or came from.")


class CartLine(Record):
    """A product in a cart."""

    product_id: Opaque = Field(description="The product.")
    quantity: Quantity = Field(description="How much of it, in units of sale.")


class Session(Record):
    """One visit of a shopper: what was done in what order, how it began and ended, and whether anything was bought."""

    day: date = Field(description="The day (UTC) it began; the partition.")
    session_id: Opaque = Field(description="Identity of the visit.")
    user_id: Opaque | None = Field(None, description="Whose it was: an opaque identifier; null when not known.")
    started_at: UtcDatetime = Field(description="Its first step. UTC, microseconds.")
    ended_at: UtcDatetime = Field(description="Its last step. UTC, microseconds.")
    entry_step: str = Field(description="What its first step was.")
    exit_step: str = Field(description="What its last step was.")
    searches: Count = Field(description="Searches, each page counted.")
    views: Count = Field(description="Products looked at.")
    clicks: Count = Field(description="Results clicked.")
    cart_adds: Count = Field(description="Times a product was put into the cart.")
    orders: Count = Field(description="Orders placed.")
    revenue: Decimal | None = Field(
        None, max_digits=38, decimal_places=9, description="What the orders in `currency` came to."
    )
    currency: Currency | None = Field(None, description="ISO 4217 code of the first order.")
    cart: tuple[CartLine, ...] = Field(
        (), description="What was put into the cart after the last order, less what was taken out, by product."
    )
    steps: tuple[SessionStep, ...] = Field((), description="What was done, in order; impressions left out.")

    table: ClassVar[Table] = Table(
        "sessions",
        Dataset.FEATURES,
        partition_by="day",
        expiry_days=SESSIONS_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="analytics",
        days_per_run=8,
    )
