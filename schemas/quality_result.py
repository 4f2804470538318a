"""What a quality rule found."""

from typing import ClassVar, Literal

from pydantic import Field

from .envelope import Record, UtcDatetime
from .identifiers import Opaque
from .table import Dataset, Table

QUALITY_EXPIRY_DAYS = 400
Verdict = Literal["ok", "breach", "unknown"]
ThresholdSource = Literal["default", "learned", "set"]


class QualityResult(Record):
    """What a rule found when it was looked at."""

    checked_at: UtcDatetime = Field(description="When it was looked at. UTC, microseconds.")
    rule: Opaque = Field(description="Name of the rule, such as `freshness.search`.")
    value: float | None = Field(None, description="What was found; null where there was nothing to look at.")
    least: float | None = Field(None, description="The least it may be.")
    most: float | None = Field(None, description="The most it may be.")
    threshold: ThresholdSource = Field(
        description="Where that comes from: `default`, `learned` from earlier results, or `set`."
    )
    verdict: Verdict = Field(description="`ok`, `breach`, or `unknown` where there was nothing to look at.")
    job: Opaque = Field(description="What looked: `quality`, or the feature job of a table.")

    table: ClassVar[Table] = Table(
        "quality_results",
        Dataset.OPS,
        partition_by="checked_at",
        expiry_days=QUALITY_EXPIRY_DAYS,
        cluster_by=("rule",),
    )
