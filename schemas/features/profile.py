"""What a customer is like."""

from datetime import date
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import Opaque
from ..quantities import Currency
from ..table import Dataset, Table

PROFILES_EXPIRY_DAYS = 90


class Profile(Record):
    """One user who bought in the 730 days up to as_of, or searched or clicked in the last 60 of them."""

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    user_id: Opaque = Field(description="Whom it describes: an opaque identifier.")
    orders: int = Field(ge=0, description="Orders of which at least one line was kept, in the last 730 days.")
    first_order_at: UtcDatetime | None = Field(None, description="The first of them. UTC, microseconds.")
    last_order_at: UtcDatetime | None = Field(None, description="The last of them. UTC, microseconds.")
    days_since_last_order: float | None = Field(
        None, ge=0, description="From the last order to the end of as_of, in days of 24 hours."
    )
    currency: Currency | None = Field(None, description="ISO 4217 code in which the user has most orders.")
    spend: Decimal | None = Field(
        None, max_digits=38, decimal_places=9, description="What was paid and kept, orders in `currency` only."
    )
    mean_basket_value: Decimal | None = Field(
        None, max_digits=38, decimal_places=9, description="spend divided by those orders, rounded to 0.01 `currency`."
    )
    mean_basket_items: float | None = Field(None, ge=0, description="Mean number of different products in an order.")
    mean_days_between_orders: float | None = Field(
        None, ge=0, description="Mean time from one order to the next, in days; null with a single order."
    )
    favourite_categories: tuple[str, ...] = Field(
        (), max_length=5, description="Up to five categories by lines bought, the most frequent first."
    )
    usual_weekday: int | None = Field(
        None, ge=1, le=7, description="Day of the week (UTC) with most orders, 1 Monday to 7 Sunday; a tie: the latest."
    )
    usual_hour: int | None = Field(
        None, ge=0, le=23, description="Hour of the day (UTC) with most orders, 0 to 23; a tie: the latest."
    )
    searches: int = Field(
        ge=0,
        description="Searches in the last 60 days. Raw events stay 90 days: a date computed 30 days late is low.",
    )
    clicks: int = Field(ge=0, description="Clicks in the last 60 days, with the same limit.")
    search_order_share: float | None = Field(
        None, ge=0, le=1, description="Share of those searches that an order names by query_id; null without searches."
    )

    table: ClassVar[Table] = Table(
        "profiles",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=PROFILES_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="personalization",
    )
