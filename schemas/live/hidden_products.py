"""What a person took out of a user's recommendations."""

from typing import ClassVar

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import Opaque
from ..table import Dataset, Table

HIDDEN_PRODUCTS_EXPIRY_DAYS = 90
MOST_HIDDEN_PRODUCTS = 200


class HiddenProducts(Record):
    """The products that are not recommended to a user; of several rows of a user the latest counts."""

    computed_at: UtcDatetime = Field(description="When the list was made; the partition. UTC, microseconds.")
    asked_at: UtcDatetime = Field(description="When the latest change to it was asked for. UTC, microseconds.")
    user_id: Opaque = Field(description="Whose list: an opaque identifier.")
    product_ids: tuple[Opaque, ...] = Field((), description="The products, the one hidden last first.")

    table: ClassVar[Table] = Table(
        "hidden_products",
        Dataset.FEATURES,
        partition_by="computed_at",
        expiry_days=HIDDEN_PRODUCTS_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="personalization",
    )
