"""How each product did on each day."""

from datetime import date
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..quantities import Count, Currency
from ..table import Dataset, Table

PRODUCT_DAYS_EXPIRY_DAYS = 730


class ProductDay(Record):
    """One product on one day: how often it was shown, looked at, carted, ordered and returned. About nobody."""

    day: date = Field(description="The day (UTC) it happened; the partition.")
    product_id: Opaque = Field(description="The product.")
    shown: Count = Field(description="Times it stood among the results of a search.")
    views: Count = Field(description="Times it was looked at.")
    clicks: Count = Field(description="Times it was clicked.")
    cart_adds: Count = Field(description="Times it was put into a cart.")
    cart_removes: Count = Field(description="Times it was taken out of one.")
    favourites: Count = Field(description="Times it was marked as a favourite.")
    orders: Count = Field(description="Orders placed with it.")
    returns: Count = Field(description="Orders of which it was returned, or which were cancelled.")
    units: Decimal = Field(max_digits=38, decimal_places=9, description="Units of sale ordered.")
    revenue: Decimal | None = Field(
        None,
        max_digits=38,
        decimal_places=9,
        description="What those in `currency` were sold for; returns not taken off.",
    )
    currency: Currency | None = Field(None, description="ISO 4217 code in which it was ordered most that day.")

    table: ClassVar[Table] = Table(
        "product_days",
        Dataset.AGGREGATES,
        partition_by="day",
        expiry_days=PRODUCT_DAYS_EXPIRY_DAYS,
        cluster_by=("product_id",),
        days_per_run=8,
    )
