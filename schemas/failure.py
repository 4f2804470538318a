"""What becomes of an input that cannot succeed, and how that differs from a world that is not ready."""

import base64
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, Self

from pydantic import Field

from .envelope import Record, UtcDatetime
from .identifiers import EventId, Opaque, find_event_id, find_number, find_user_id
from .quantities import Count, Ordinal
from .table import Dataset, Table

FAILED_EXPIRY_DAYS = 30
KEPT_PAYLOAD_BYTES = 262_144
"""More of a failed event's bytes than this is not kept: a row of streaming inserts has its limit too."""


OF_AN_ERASED_USER = "the user has been erased, so nothing of the event is kept"


class Stage(StrEnum):
    """Where an event failed, in the order of the path it takes."""

    CAPTURE = "capture"
    """In the caller's process, before it was shipped."""
    DECODE = "decode"
    """A message, or a line of it, could not be read."""
    VALIDATE = "validate"
    """The event does not keep to the contract."""
    ENRICH = "enrich"
    """The event could not be completed."""
    WRITE = "write"
    """Its table refused the row."""


class Reason(StrEnum):
    """Why an event failed: stable words that dashboards group by."""

    MALFORMED_JSON = "malformed_json"
    """The bytes are not one JSON object."""
    NOT_UTF8 = "not_utf8"
    """The bytes are not UTF-8 text."""
    UNREADABLE_MESSAGE = "unreadable_message"
    """The message cannot be unpacked into lines."""
    ATTRIBUTE_MISMATCH = "attribute_mismatch"
    """The message's attributes and its lines disagree."""
    DAMAGED_LINE = "damaged_line"
    """The line was cut off or changed in the spool."""
    TOO_LARGE = "too_large"
    """The event, or what the message unfolds to, is larger than is taken."""
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    """There is no such event_type."""
    UNKNOWN_SCHEMA_VERSION = "unknown_schema_version"
    """A version this code does not know."""
    UNKNOWN_FIELD = "unknown_field"
    """A field the event_type does not have."""
    MISSING_FIELD = "missing_field"
    """A required field is not there."""
    WRONG_TYPE = "wrong_type"
    """A field has a value of another type."""
    INVALID_VALUE = "invalid_value"
    """A field has a value that is not acceptable."""
    TIME_OUT_OF_RANGE = "time_out_of_range"
    """occurred_at is too long ago or ahead of the clock."""
    ROW_REFUSED = "row_refused"
    """BigQuery refused the row."""
    BACKEND_REFUSED = "backend_refused"
    """A backend of capture refused the event for good."""
    ERASED_USER = "erased_user"
    """Its user has been erased; nothing of the event is kept."""


class Rejected(Exception):
    """This input can never succeed as it is.

    `reason` is a stable word for counting, `field` the path of the offending field (None where there is none),
    `detail` a sentence for people that never holds a value from the payload.
    """

    def __init__(self, reason: Reason, detail: str, *, field: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.field = reason, detail, field


class Unavailable(Exception):
    """The world is not ready: the same call may succeed later. Nothing is known of what it did."""


def where(error: BaseException) -> str:
    """The kind of error and the line it was raised at; never its text, which may hold a payload."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    kind = type(error).__name__
    return f"{kind} at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else kind


@cache
def code_version() -> str:
    """The installed version of Shopstream; `unknown` where it runs without being installed."""
    try:
        return version("shopstream")
    except PackageNotFoundError:
        return "unknown"


class FailedEvent(Record):
    """An event that could not be stored, with its reason and its bytes, so that it can be replayed after a fix."""

    event_id: EventId = Field(
        description="The failed event's own event_id where it can be recognised, otherwise one given on failure."
    )
    stage: Stage = Field(strict=False, description="Where it failed.")
    reason: Reason = Field(strict=False, description="Why, as a stable word.")
    field: str | None = Field(None, description="Path of the offending field, such as `items.0.quantity`.")
    detail: str = Field(description="Why, as a sentence; holds no value from the payload.")
    payload: str = Field(description="The original bytes, base64; at most the first 262,144 of them.")
    payload_bytes: Count = Field(description="How many original bytes there were.")
    writer_id: Opaque | None = Field(None, description="The capture process that numbered it, as for an event.")
    sequence: Ordinal | None = Field(None, description="Its number within its writer, as for an event.")
    message_id: str | None = Field(None, description="The Pub/Sub message it came in; null when it failed at capture.")
    line_index: Count | None = Field(None, description="Its place among the lines of that message, from 0.")
    attributes: dict[str, str] | None = Field(None, description="The attributes of that message.")
    failed_at: UtcDatetime = Field(description="When it failed. UTC, microseconds.")
    received_at: UtcDatetime | None = Field(
        None, description="When the pipeline got it. UTC, microseconds. Null until it has."
    )
    user_id: str | None = Field(None, description="Whom it is about, where that can be recognised; for erasure.")
    job: str | None = Field(None, description="The job that refused it; null when it failed at capture.")
    code_version: str = Field(description="Version of the code that refused it.")

    table: ClassVar[Table] = Table(
        "failed_events",
        Dataset.FAILED,
        partition_by="received_at",
        expiry_days=FAILED_EXPIRY_DAYS,
        cluster_by=("stage", "reason"),
        erase_by="user_id",
    )

    def without_payload(self) -> Self:
        """The same of an erased user: nothing of the event is kept but its number."""
        return self.model_copy(
            update={
                "reason": Reason.ERASED_USER,
                "field": None,
                "detail": OF_AN_ERASED_USER,
                "payload": "",
                "payload_bytes": 0,
                "attributes": None,
                "user_id": None,
            }
        )

    @classmethod
    def of(
        cls,
        stage: Stage,
        rejection: Rejected,
        payload: bytes,
        now: datetime,
        *,
        otherwise: str,
        message_id: str | None = None,
        line_index: int | None = None,
        attributes: dict[str, str] | None = None,
        received_at: datetime | None = None,
    ) -> Self:
        """The record of a rejection; `otherwise` is its event_id when the payload does not show one.

        Of an erased user's event nothing is kept but its number.
        """
        writer_id, sequence = find_number(payload)
        event_id, user_id = find_event_id(payload) or otherwise, find_user_id(payload)
        if rejection.reason is Reason.ERASED_USER:
            payload, user_id, attributes = b"", None, None
        return cls(
            event_id=event_id,
            stage=stage,
            reason=rejection.reason,
            field=rejection.field,
            detail=rejection.detail,
            payload=base64.b64encode(payload[:KEPT_PAYLOAD_BYTES]).decode(),
            payload_bytes=len(payload),
            writer_id=writer_id,
            sequence=sequence,
            message_id=message_id,
            line_index=line_index,
            attributes=attributes,
            failed_at=now,
            received_at=received_at,
            user_id=user_id,
            code_version=code_version(),
        )
