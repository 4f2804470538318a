"""What a customer is like."""

from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import Opaque
from ..quantities import Currency
from ..table import Dataset, Table

PROFILES_EXPIRY_DAYS = 90


class ChannelConversion(Record):
    """How often searches in one channel ended in an order."""

    channel: str = Field(description="Where the user searched.")
    searches: int = Field(ge=1, description="Searches there in the last 60 days.")
    ordered: int = Field(ge=0, description="Of these, those that an order names by query_id.")
    conversion: float = Field(ge=0, le=1, description="ordered divided by searches, 0 to 1.")


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
    order_gap_variation: float | None = Field(
        None,
        ge=0,
        description="Standard deviation of the times between orders divided by their mean: 0 is a clock, 1 is chance; "
        "null with fewer than three orders.",
    )
    favourite_categories: tuple[str, ...] = Field(
        (), max_length=5, description="Up to five categories by lines bought, the most frequent first."
    )
    favourite_brands: tuple[str, ...] = Field(
        (), max_length=5, description="Up to five brands by lines bought, the most frequent first."
    )
    price_level: float | None = Field(
        None,
        gt=0,
        description="Prices paid beside what everyone paid in the same category and currency, as a geometric mean: 1 "
        "is the usual, 1.2 is a fifth dearer; of lines with a category and a price, in the last 730 days.",
    )
    price_elasticity: float | None = Field(
        None,
        description="How much more than others the user buys a product when it is cheap, as an elasticity of choice: "
        "-2 is 2 % more purchases for a price 1 % below the product's mean, beyond what others do; 0 is like others. "
        "The sum of ln(price / geometric mean of the product) over the lines, by the sum of its variances and 0.05; "
        "null with fewer than five lines of products whose price moves, in the last 730 days.",
    )
    usual_weekday: int | None = Field(
        None, ge=1, le=7, description="Day of the week (UTC) with most orders, 1 Monday to 7 Sunday; a tie: the latest."
    )
    usual_hour: int | None = Field(
        None, ge=0, le=23, description="Hour of the day (UTC) with most orders, 0 to 23; a tie: the latest."
    )
    usual_weekday_share: float | None = Field(None, ge=0, le=1, description="Share of orders on that weekday, 0 to 1.")
    usual_hour_share: float | None = Field(None, ge=0, le=1, description="Share of orders in that hour, 0 to 1.")
    lifecycle_stage: Literal["visitor", "new", "active", "slowing", "lapsing", "lost"] | None = Field(
        None,
        description="`visitor` never ordered; `new` ordered first in the last 30 days; otherwise by the time since the "
        "last order in usual gaps (own mean gap, that of all users after a single order, at least 7 days): `active` "
        "up to 2, `slowing` up to 4, `lapsing` up to 8, `lost` beyond.",
    )
    churn_risk: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Chance of no order in the 90 days after as_of, 0 to 1, from `customer_outlooks`; null without.",
    )
    expected_order_days: float | None = Field(
        None, ge=0, description="Mean number of days with an order expected in those 90 days; null without an outlook."
    )
    searches: int = Field(
        ge=0,
        description="Searches in the last 60 days. Raw events stay 90 days: a date computed 30 days late is low.",
    )
    clicks: int = Field(ge=0, description="Clicks in the last 60 days, with the same limit.")
    search_order_share: float | None = Field(
        None, ge=0, le=1, description="Share of those searches that an order names by query_id; null without searches."
    )
    search_style: Literal["narrowing", "exploring", "decided", "hesitant"] | None = Field(
        None,
        description="How the user searches, by the last 60 days: `narrowing` where 30 % or more of the searches have a "
        "filter; else `exploring` with three or more searches a visit; else `decided` where half of them or more are "
        "clicked; else `hesitant`; null without searches.",
    )
    mean_query_words: float | None = Field(None, ge=0, description="Mean number of words in those searches.")
    clicked_search_share: float | None = Field(
        None, ge=0, le=1, description="Share of those searches with a click, 0 to 1."
    )
    favourite_intents: tuple[str, ...] = Field(
        (), max_length=5, description="Up to five intents by those searches, the most frequent first."
    )
    channels: tuple[ChannelConversion, ...] = Field(
        (), description="Conversion by channel, over searches of the last 60 days, most searches first."
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
