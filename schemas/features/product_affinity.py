"""Which products are bought together."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..table import Dataset, Table

PRODUCT_AFFINITIES_EXPIRY_DAYS = 90


class ProductAffinity(Record):
    """One product and one of the up to 50 others that go with it best, over the 180 days up to as_of.

    Orders of more than 100 products are left out, for what is bought by the hundred goes with nothing; of each user
    the 60 products count that were bought most and last. A pair that fewer than three users bought is not told.
    """

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    product_id: Opaque = Field(description="The product.")
    other_product_id: Opaque = Field(description="What goes with it.")
    rank: int = Field(ge=1, le=50, description="Place by the sum of both affinities, from 1.")
    orders: int = Field(ge=0, description="Orders with both.")
    users: int = Field(ge=3, description="Users who bought both, in one order or in several.")
    order_affinity: float = Field(
        ge=0,
        le=1,
        description="How much they go together in an order: orders / sqrt((orders of one + 3) * (of the other + 3)).",
    )
    buyer_affinity: float = Field(
        ge=0, le=1, description="How much they have the same buyers: the same formula with users in place of orders."
    )

    table: ClassVar[Table] = Table(
        "product_affinities",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=PRODUCT_AFFINITIES_EXPIRY_DAYS,
        cluster_by=("product_id",),
    )
