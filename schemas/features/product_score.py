"""How well products stand in their categories."""

from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..quantities import Count, Currency, Money, Ordinal
from ..table import Dataset, Table

PRODUCT_SCORES_EXPIRY_DAYS = 730

Score = Annotated[float, Field(ge=0, le=100)]


class ProductScore(Record):
    """One product that may be recommended and has a category: how it stands there, 0 to 100. About nobody."""

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    product_id: Opaque = Field(description="The product.")
    name: str | None = Field(None, description="Its name in the catalogue.")
    category: Opaque = Field(description="Its category, as in `product_popularity`.")
    category_products: Count = Field(description="Products of the category that are compared.")
    price: Money | None = Field(None, description="Price of one unit of sale in the catalogue, in `currency`.")
    currency: Currency | None = Field(None, description="ISO 4217 code of price.")
    median_price: Decimal | None = Field(
        None,
        max_digits=38,
        decimal_places=9,
        description="Median of the prices of the category in the same currency; null where fewer than two have one.",
    )
    price_score: Score | None = Field(
        None,
        description="Nearness of the price to the median from below: 100 at the median, price / median below it, and "
        "each per cent above it costs two; null without a median.",
    )
    rating: float | None = Field(None, ge=0, le=5, description="Mean rating in the catalogue, 0 to 5.")
    rating_count: Count = Field(description="Number of ratings behind it; 0 where the catalogue says none.")
    rating_score: Score | None = Field(
        None,
        description="The rating of 5, with ten ratings of the category's mean added; null where nothing of the "
        "category is rated.",
    )
    views: Count = Field(description="Times it was looked at or clicked in the last 28 days.")
    cart_adds: Count = Field(description="Times it was put into a cart in the last 28 days.")
    orders: Count = Field(description="Orders placed with it in the last 28 days.")
    popularity_score: Score | None = Field(
        None,
        description="Mean of its percent ranks in the category by views, by cart adds and by orders; null where "
        "nothing of the category was viewed, carted or ordered, or it is the only product.",
    )
    score: Score | None = Field(
        None, description="Mean of those of the three that are known; null where fewer than two are."
    )
    category_rank: Ordinal | None = Field(None, description="Place by score in the category, from 1; null without one.")

    table: ClassVar[Table] = Table(
        "product_scores",
        Dataset.AGGREGATES,
        partition_by="as_of",
        expiry_days=PRODUCT_SCORES_EXPIRY_DAYS,
        cluster_by=("product_id",),
    )
