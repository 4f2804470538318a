"""A capture process accounts for its numbers."""

from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Event, Record, UtcDatetime, event_table
from ..identifiers import Opaque
from ..quantities import Count, Ordinal
from ..table import Table

LEDGER_ENTRY = "ledger_entry"


class Refused(Record):
    """Events that got no number, for they were not kept."""

    reason: Opaque = Field(description="The counter that has them, such as `capture.refused.full`.")
    events: Count = Field(description="How many events.")


class Sent(Record):
    """Records that a backend acknowledged."""

    backend: Opaque = Field(description="The backend.")
    records: Count = Field(description="How many, those sent again counted again.")


class LedgerEntry(Event):
    """What a capture process, a writer, captured, sent and dropped in about a minute; to be summed by writer."""

    event_type: Literal["ledger_entry"] = Field("ledger_entry", description="Always `ledger_entry`.")
    writer_id: Opaque = Field(description="The writer it is about; whoever took over what it left accounts for it too.")
    began_at: UtcDatetime = Field(description="What happened since then; until occurred_at. UTC, microseconds.")
    first_sequence: Ordinal | None = Field(None, description="The first number given in that time; null when none was.")
    last_sequence: Ordinal | None = Field(
        None, description="The last number given so far, or seen by whoever took over; null when none was."
    )
    skipped: Count = Field(0, description="Numbers given to events that the disk then did not take.")
    dropped: Count = Field(0, description="Records deleted to make room before every backend had them.")
    captured: Count = Field(0, description="Events kept.")
    failed: Count = Field(0, description="Wrong events kept as failed events.")
    refused: tuple[Refused, ...] = Field((), max_length=64, description="Events not kept, by reason.")
    sent: tuple[Sent, ...] = Field((), max_length=64, description="Records acknowledged, by backend.")
    closing: bool = Field(False, description="True on the last entry: the writer gives no further number.")

    table: ClassVar[Table] = event_table("ledger", cluster_by=("writer_id",))
