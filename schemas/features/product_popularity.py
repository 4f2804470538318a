"""What can be recommended to anyone: what sells, and what the catalogue says of it."""

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import Opaque
from ..quantities import Count, Currency, Money
from ..table import Dataset, Table

PRODUCT_POPULARITY_EXPIRY_DAYS = 90


class ProductPopularity(Record):
    """One product that is in the catalogue, or was bought in the 60 days up to as_of by users who may be known."""

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    product_id: Opaque = Field(description="The product.")
    name: str | None = Field(None, description="Its name in the catalogue; null where that does not know it.")
    category: Opaque | None = Field(
        None, description="Its category in the latest order that names one, or the narrowest of its catalogue path."
    )
    brand: Opaque | None = Field(None, description="Its brand in the catalogue, or in the latest order that names one.")
    price: Money | None = Field(None, description="Price of one unit of sale in the catalogue, in `currency`.")
    currency: Currency | None = Field(None, description="ISO 4217 code of price.")
    rating: float | None = Field(None, ge=0, le=5, description="Mean rating in the catalogue, 0 to 5.")
    rating_count: Count | None = Field(None, description="Number of ratings behind it.")
    availability: Literal["in_stock", "out_of_stock", "backorder", "preorder", "discontinued"] | None = Field(
        None, description="What the catalogue said last, however long ago; null where it never said anything."
    )
    listed_at: UtcDatetime | None = Field(None, description="When it said so. UTC, microseconds.")
    available: bool = Field(
        description="Whether it may be recommended: unless the catalogue says `out_of_stock` or `discontinued`."
    )
    buyers: int = Field(ge=0, description="Users who bought it in the last 28 days.")
    orders: int = Field(ge=0, description="Orders of it in the last 28 days that were kept.")
    share: float = Field(
        ge=0,
        le=1,
        description="Its share of what everyone bought lately, 0 to 1; purchases halved for every 10 days of age.",
    )
    category_share: float = Field(ge=0, le=1, description="The same within its category, 0 to 1; 0 without one.")
    rank: int | None = Field(
        None, ge=1, description="Place by share among what is available and sells, from 1; null for others."
    )
    category_rank: int | None = Field(None, ge=1, description="The same within its category.")

    table: ClassVar[Table] = Table(
        "product_popularity",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=PRODUCT_POPULARITY_EXPIRY_DAYS,
        cluster_by=("product_id",),
    )
