"""What a month costs, as it was estimated at some time."""

from typing import ClassVar

from pydantic import Field

from .envelope import Record, UtcDatetime
from .quantities import Count
from .table import Dataset, Table

COST_ESTIMATES_EXPIRY_DAYS = 400


class CostEstimate(Record):
    """One line of an estimate: a service and a table, and what they cost a month at the volumes of the last days."""

    estimated_at: UtcDatetime = Field(description="When; the partition, and the same in all lines. UTC, microseconds.")
    service: str = Field(description="The service of Google Cloud.")
    table_name: str | None = Field(None, description="The table that causes it; null for what runs in any case.")
    what: str = Field(description="What is paid for.")
    dollars: float = Field(ge=0, description="US dollars a month, at list prices.")
    users: Count = Field(description="Different known users of the days looked at.")
    days: Count = Field(description="How many days were looked at.")

    table: ClassVar[Table] = Table(
        "cost_estimates", Dataset.OPS, partition_by="estimated_at", expiry_days=COST_ESTIMATES_EXPIRY_DAYS
    )
