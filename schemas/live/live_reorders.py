"""What a user may buy again, as of the user's latest order: between two nightly jobs it is newer than `reorders`."""

from typing import ClassVar

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..features import Reorder
from ..identifiers import Opaque
from ..table import Dataset, Table

LIVE_EXPIRY_DAYS = 3
"""The nightly job of the next day knows all of it."""
MOST_LIVE_REORDERS = 20


class LiveReorders(Record):
    """One user right after an order, and the products the user will most probably buy again."""

    computed_at: UtcDatetime = Field(description="When the stream computed it; the partition. UTC, microseconds.")
    user_id: Opaque = Field(description="Who ordered: an opaque identifier.")
    ordered_at: UtcDatetime = Field(description="The user's latest order; ages are as of then. UTC, microseconds.")
    reorders: tuple[Reorder, ...] = Field(
        (),
        max_length=MOST_LIVE_REORDERS,
        description="Up to 20 rows as in `reorders`, by the same formulas with the weights of the latest nightly job.",
    )

    table: ClassVar[Table] = Table(
        "live_reorders",
        Dataset.FEATURES,
        partition_by="computed_at",
        expiry_days=LIVE_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="personalization",
    )
