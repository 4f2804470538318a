"""The fields every event carries."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from .field_rules import FieldRule
from .identifiers import EventId, Opaque
from .quantities import Ordinal
from .table import Dataset, Table

RAW_EXPIRY_DAYS = 90

Traffic = Literal["bot", "test"]
"""What makes events that is no shopper."""
UtcDatetime = Annotated[AwareDatetime, Field(json_schema_extra={"unit": "UTC, microseconds"})]


class Record(BaseModel):
    """Anything with a contract: immutable, strict about types, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Arrival(Record):
    """What the pipeline adds to every event it stores."""

    received_at: UtcDatetime = Field(
        description="When the pipeline got it: the publish time of its message. UTC, microseconds."
    )
    ingested_at: UtcDatetime = Field(description="When the row was handed to BigQuery. UTC, microseconds.")
    additional_properties: dict[str, object] | None = Field(
        None, description="Fields the contract does not know, kept so that a later column can be back-filled."
    )


class VisitArrival(Arrival):
    """What it adds to what happens within a visit."""

    session_inferred: bool = Field(
        False,
        description="True where the source named no session_id and the pipeline gave one: a user's events without a "
        "gap above 30 minutes.",
    )


class TouchArrival(VisitArrival):
    """What it adds to what a search may have led to."""

    first_query_id: Opaque | None = Field(
        None,
        description="The search the visit began with, where it came before this event; query_id is the one that the "
        "event itself names.",
    )


class Event(Record):
    """One thing that happened. Immutable; identified by event_id wherever it goes and however often."""

    event_id: EventId = Field(description="Identity of the event, given once, at capture. A UUIDv7.")
    event_type: str = Field(description="Which contract the event follows.")
    schema_version: int = Field(1, ge=1, le=1, description="Which version of that contract.")
    occurred_at: UtcDatetime = Field(description="When it happened, by the clock of the source. UTC, microseconds.")
    user_id: Opaque | None = Field(
        None, description="Who did it: an opaque identifier, the only one kept. Null when anonymous."
    )
    session_id: Opaque | None = Field(None, description="The visit it belongs to, where the source knows it.")
    source: Opaque = Field(description="The service that captured the event.")
    writer_id: Opaque | None = Field(
        None, description="The capture process that numbered the event; null from publishers without capture."
    )
    sequence: Ordinal | None = Field(None, description="Number of the event within its writer, from 1 without gaps.")
    traffic: Traffic | None = Field(
        None,
        description="What made it, where that is known to be no shopper: `bot` or `test`. The pipeline fills it for "
        "what it recognises: docs/enrichment.md.",
    )
    imported: bool = Field(
        False,
        description="True for history loaded after the fact: it counts as known when it occurred, not when received.",
    )

    table: ClassVar[Table]
    quality: ClassVar[tuple[FieldRule, ...]] = ()
    """What is promised of its fields, all events taken together."""
    arrival: ClassVar[type[Arrival]] = Arrival
    """The columns that the pipeline adds."""


def event_table(name: str, *, cluster_by: tuple[str, ...]) -> Table:
    """The raw table of an event type: a partition a day of arrival, 90 days, erasable by user_id."""
    return Table(
        name,
        Dataset.RAW,
        partition_by="received_at",
        expiry_days=RAW_EXPIRY_DAYS,
        cluster_by=cluster_by,
        erase_by="user_id",
    )


def known_at(event: Event, received_at: datetime) -> datetime:
    """The moment from which a feature may use the event: arrival, or for imported history its occurrence."""
    return event.occurred_at if event.imported else received_at
