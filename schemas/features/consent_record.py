"""Every decision about a use of data, kept longer than the event that said so."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import EventId, Opaque
from ..table import Dataset, Purpose, Table

CONSENT_RECORD_EXPIRY_DAYS = 3650
"""Ten years: who keeps data by consent must be able to show it. Raw consent events stay 90 days only."""


class ConsentDecision(Record):
    """One decision of one user about one purpose, never changed afterwards: the record of consent."""

    event_id: EventId = Field(description="Identity of the consent event it was.")
    user_id: Opaque = Field(description="Whose decision it is: an opaque identifier.")
    purpose: Purpose = Field(description="The use that is decided about.")
    granted: bool = Field(description="True where it is allowed.")
    policy_version: Opaque = Field(description="The privacy policy that was shown.")
    source: Opaque = Field(description="The service that asked.")
    occurred_at: UtcDatetime = Field(description="When it was decided. UTC, microseconds.")
    received_on: date = Field(description="The day (UTC) the pipeline got it; the partition.")

    table: ClassVar[Table] = Table(
        "consent_record",
        Dataset.PRIVACY,
        partition_by="received_on",
        expiry_days=CONSENT_RECORD_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        days_per_run=8,
    )
