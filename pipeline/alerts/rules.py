"""The rules of alerts, read from one file."""

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shopstream.schemas import SettingsError
from shopstream.schemas.alert import Severity
from shopstream.schemas.identifiers import Opaque

Percent = Annotated[float, Field(gt=0, le=1000)]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Opaque
    severity: Severity = "warning"
    repeat_minutes: int = Field(240, ge=0, le=7 * 24 * 60)
    """The same subject is told of again after so many minutes at the earliest."""
    messages_an_hour: int = Field(10, ge=1, le=1000)
    """To each channel; what comes on top is gathered into the last of them."""

    @property
    def repeat(self) -> timedelta:
        """repeat_minutes as a duration."""
        return timedelta(minutes=self.repeat_minutes)


class PriceMoves(_Rule):
    """A product's price in the catalogue moved by `percent` or more, within the last day."""

    kind: Literal["price_moves"]
    percent: Percent = 10.0


class RankMoves(_Rule):
    """A product's place by score in its category moved by `places` or more, from one date to the next."""

    kind: Literal["rank_moves"]
    places: int = Field(5, ge=1)


class SegmentShrinks(_Rule):
    """A persona has `percent` fewer users or less than `days` days before, of at least `users` then."""

    kind: Literal["segment_shrinks"]
    percent: Percent = 20.0
    days: int = Field(7, ge=1, le=90)
    users: int = Field(20, ge=2)


class QualityBreaks(_Rule):
    """A quality rule whose name fits one of the patterns is broken: `freshness.*`, `volume.*`, or all with `*`."""

    kind: Literal["quality_breaks"]
    patterns: tuple[Opaque, ...] = Field(min_length=1)


AlertRule = Annotated[PriceMoves | RankMoves | SegmentShrinks | QualityBreaks, Field(discriminator="kind")]


class QuietHours(BaseModel):
    """From when to when, by the clock of a place, only what is critical is told; the rest waits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: time
    end: time
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _is_a_span_of_a_known_place(self) -> Self:
        if self.begin == self.end:
            raise ValueError("begin and end are the same")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{self.timezone!r} is no time zone, such as Europe/Berlin") from error
        return self

    def hold(self, now: datetime) -> bool:
        """Whether it is quiet at this moment."""
        local = now.astimezone(ZoneInfo(self.timezone)).time()
        if self.begin < self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


class AlertRules(BaseModel):
    """Everything the file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[AlertRule, ...] = Field(max_length=100)
    quiet_hours: QuietHours | None = None

    @model_validator(mode="after")
    def _has_no_name_twice(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the rule {twice[0]!r} is there twice")
        return self


DEFAULT_RULES = AlertRules(
    rules=(
        QualityBreaks(
            name="data-missing", kind="quality_breaks", patterns=("captured_and_not_stored",), severity="critical"
        ),
        QualityBreaks(name="data-late", kind="quality_breaks", patterns=("freshness.*",), severity="critical"),
        QualityBreaks(name="volume", kind="quality_breaks", patterns=("volume.*", "failed_share")),
        PriceMoves(name="prices", kind="price_moves"),
        RankMoves(name="ranks", kind="rank_moves"),
        SegmentShrinks(name="segments", kind="segment_shrinks"),
    )
)
"""What counts without a file."""


def read_rules(path: str | None) -> AlertRules:
    """The rules of the file; DEFAULT_RULES without one.

    Raises:
        SettingsError: The file cannot be read, or something in it is wrong.
    """
    if path is None:
        return DEFAULT_RULES
    try:
        return AlertRules.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"ALERT_RULES_FILE: {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise SettingsError(f"ALERT_RULES_FILE: {path}: {where}: {fault['msg']}") from None
