"""What somebody had to be told about: one row for each thing that happened to an alert."""

from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from .envelope import Record, UtcDatetime
from .identifiers import Opaque
from .table import Dataset, Table

ALERTS_EXPIRY_DAYS = 400

Severity: TypeAlias = Literal["warning", "critical"]
AlertChannel: TypeAlias = Literal["topic", "webhook"]
AlertStepName: TypeAlias = Literal["opened", "told", "ended"]


class AlertStep(Record):
    """One step in the life of an alert: it was opened, told through a channel, or ended. About nobody."""

    occurred_at: UtcDatetime = Field(description="When; the partition. UTC, microseconds.")
    step: AlertStepName = Field(description="What happened to it.")
    alert_id: str = Field(pattern="^[0-9a-f]{32}$", description="Identity of the alert; the same in all its steps.")
    rule: Opaque = Field(description="The rule it breaks, by its name in ALERT_RULES_FILE.")
    subject: Opaque = Field(description="What it is about: a product, a segment, a quality rule.")
    occurrence: str = Field(description="What tells one occurrence from another; empty where something simply holds.")
    severity: Severity = Field(description="A critical one is told in quiet hours too.")
    value: float = Field(description="What was found, in the unit of the rule.")
    bound: float = Field(description="What it may be at most, or at least.")
    text: str = Field(description="The same in words.")
    channel: AlertChannel | None = Field(None, description="Where it was told; null in other steps.")
    message_id: str | None = Field(
        None, pattern="^[0-9a-f]{32}$", description="The message it was told in; null in other steps."
    )

    table: ClassVar[Table] = Table(
        "alerts", Dataset.OPS, partition_by="occurred_at", expiry_days=ALERTS_EXPIRY_DAYS, cluster_by=("rule",)
    )
