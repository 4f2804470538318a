"""What became of a failed event that was sent round again."""

from typing import ClassVar, Literal

from pydantic import Field

from .envelope import Record, UtcDatetime
from .failure import FAILED_EXPIRY_DAYS
from .identifiers import EventId
from .table import Dataset, Table

Outcome = Literal["stored", "failed"]


class Replay(Record):
    """One attempt to send a failed event round again, and what came of it; the failed event itself stays as it was."""

    event_id: EventId = Field(description="The failed event's event_id.")
    replayed_at: UtcDatetime = Field(description="When it was sent round. UTC, microseconds.")
    outcome: Outcome = Field(description="Whether it is in its raw table now, or failed again.")
    fix: str | None = Field(None, description="The fix it went through, as it was named on the command line.")
    code_version: str = Field(description="Version of the code that replayed it.")

    table: ClassVar[Table] = Table(
        "replays",
        Dataset.FAILED,
        partition_by="replayed_at",
        expiry_days=FAILED_EXPIRY_DAYS,
        cluster_by=("event_id",),
    )
