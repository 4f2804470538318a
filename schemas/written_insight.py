"""What a language model wrote, so that the same numbers need not be written about twice."""

from typing import ClassVar, Literal

from pydantic import Field

from .envelope import Record, UtcDatetime
from .identifiers import Opaque
from .table import Dataset, Table

WRITTEN_INSIGHTS_EXPIRY_DAYS = 30


class WrittenInsight(Record):
    """One reply of a language model that passed every check; the figures it is about are of users who allow it."""

    written_at: UtcDatetime = Field(description="When; the partition. UTC, microseconds.")
    key: str = Field(pattern="^[0-9a-f]{32}$", description="A hash of the figures, the task and the model.")
    of: Literal["customer", "segment"] = Field(description="What it is about.")
    user_id: Opaque | None = Field(
        None, description="Of whom the figures were: an opaque identifier; null of a segment."
    )
    model: Opaque = Field(description="The model that wrote it.")
    cost: float = Field(ge=0, description="What it cost, in US dollars, at the prices of the settings.")
    document: str = Field(description="JSON of the insight: headline, findings, next step; the subject left out.")

    table: ClassVar[Table] = Table(
        "written_insights",
        Dataset.FEATURES,
        partition_by="written_at",
        expiry_days=WRITTEN_INSIGHTS_EXPIRY_DAYS,
        cluster_by=("key",),
        erase_by="user_id",
        purpose="personalization",
    )
