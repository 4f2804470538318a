"""How everyone buys a product again."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..table import Dataset, Table

PRODUCT_RHYTHMS_EXPIRY_DAYS = 90


class ProductRhythm(Record):
    """One product someone bought in the 365 days up to as_of, and how it is bought again by everyone."""

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    product_id: Opaque = Field(description="The product.")
    buyers: int = Field(ge=1, description="Users who bought it in the last 365 days.")
    repeat_buyers: int = Field(ge=0, description="Of these, those who bought it more than once.")
    repeat_rate: float = Field(
        gt=0, lt=1, description="Chance that a buyer bought it again, smoothed by ten average buyers."
    )
    again_rate: float = Field(
        gt=0, lt=1, description="Chance that a repeat buyer did so in the last 30 days, smoothed by five."
    )
    again_a_day: float = Field(gt=0, description="Repeat purchases a day since its buyers' first, smoothed.")
    trend: float = Field(gt=0, description="How much faster it sells lately (10 days) than before (90); 1 is the same.")
    average_repeat_rate: float = Field(gt=0, lt=1, description="repeat_rate of all products together; the same in all.")
    average_again_rate: float = Field(gt=0, lt=1, description="again_rate of all products together; the same in all.")

    table: ClassVar[Table] = Table(
        "product_rhythms",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=PRODUCT_RHYTHMS_EXPIRY_DAYS,
        cluster_by=("product_id",),
    )
