"""Bytes of one event, or the fields a caller gives, become an event or a reason why not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from .events import EVENT_TYPES, AnyEvent
from .failure import Reason, Rejected
from .upcast import STEPS, Steps, upcast

MAX_EVENT_BYTES = 1_048_576
"""A row of streaming inserts must stay below 10 MB and a message below 10 MB; an honest event is below 100 kB."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD_ACCEPTED = timedelta(days=1)
"""A source's clock may be this far ahead."""

UnknownFieldsRule = Literal["forbid", "allow", "ignore"]
_LONGEST_FIELD = 256
_WRONG_TYPE_SUFFIXES = ("_type", "_parsing", "_from_float", "_attributes_type")


class EventReader:
    """Reads the events of a union of models, those of older versions by the steps to today's."""

    def __init__(self, union: Any, steps: Steps) -> None:  # noqa: ANN401 - a union of classes has no type of its own
        self._read: TypeAdapter[Any] = TypeAdapter(union)
        self._steps = steps

    def read(self, line: bytes, unknown_fields: UnknownFieldsRule) -> Any:  # noqa: ANN401 - one of the union
        """The event in one line of JSON.

        Raises:
            Rejected: The line is not such an event; names the first offending field.
        """
        try:
            return self._read.validate_json(line, extra=unknown_fields)
        except ValidationError as error:
            today = self._today(line)
            if today is None:
                raise _rejection(error, line) from None
        try:
            return self._read.validate_json(today, extra=unknown_fields)
        except ValidationError as error:
            raise _rejection(error, today) from None

    def _today(self, line: bytes) -> bytes | None:
        """A line of an older version in today's; None for any other."""
        if not self._steps:
            return None
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        today = upcast(fields, self._steps) if isinstance(fields, dict) else None
        return None if today is None else write_fields(today)


_READER = EventReader(AnyEvent, STEPS)


def read_event(line: bytes, now: datetime, *, unknown_fields: UnknownFieldsRule) -> AnyEvent:
    """The event in one line of JSON; `now` bounds its occurred_at. One of an older version is brought to today's.

    With unknown_fields="allow" what the contract does not know stays in the models' `model_extra`.

    Raises:
        Rejected: The line is not such an event; names the first offending field.
    """
    if len(line) > MAX_EVENT_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"the event has {len(line):,} bytes; at most {MAX_EVENT_BYTES:,} are taken")
    event: AnyEvent = _READER.read(line, unknown_fields)
    check_time(event.occurred_at, now)
    return event


def check_time(occurred_at: datetime, now: datetime) -> None:
    """See that an event's time can be true, where now is the time of its arrival.

    Raises:
        Rejected: It is long past, or ahead by more than clocks differ.
    """
    if not EARLIEST <= occurred_at <= now + AHEAD_ACCEPTED:
        raise Rejected(
            Reason.TIME_OUT_OF_RANGE,
            f"occurred_at must lie between {EARLIEST:%Y-%m-%d} and a day after its arrival; check the source's clock",
            field="occurred_at",
        )


def _rejection(error: ValidationError, line: bytes) -> Rejected:
    """The first of pydantic's complaints in our words; pydantic's own text may quote the payload."""
    complaints = error.errors(include_url=False, include_context=True, include_input=False)
    first = complaints[0]
    if first["type"] == "json_invalid":
        return _unreadable(line)
    if first["type"] == "model_attributes_type" or (first["type"] == "dict_type" and not first["loc"]):
        return Rejected(Reason.MALFORMED_JSON, "an event is a JSON object")
    if first["type"] == "union_tag_not_found":
        return Rejected(Reason.MISSING_FIELD, "event_type is missing", field="event_type")
    if first["type"] == "union_tag_invalid":
        return Rejected(
            Reason.UNKNOWN_EVENT_TYPE,
            f"event_type is not one of {', '.join(EVENT_TYPES)}; see docs/data-dictionary.md",
            field="event_type",
        )
    return _field_rejection(first, others=len(complaints) - 1)


def _unreadable(line: bytes) -> Rejected:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return Rejected(Reason.NOT_UTF8, f"byte {error.start} does not continue UTF-8 text")
    return Rejected(Reason.MALFORMED_JSON, "the line is not JSON")


def _field_rejection(complaint: ErrorDetails, others: int) -> Rejected:
    kind = complaint["type"]
    # The first part of the location is the union's tag, the event_type.
    # An unknown field is named as the payload names it, which may be a megabyte.
    field = ".".join(str(part) for part in complaint["loc"][1:])[:_LONGEST_FIELD]
    if field == "schema_version" and kind in {"less_than_equal", "greater_than_equal"}:
        reason, what = Reason.UNKNOWN_SCHEMA_VERSION, "is not a version this code knows"
    elif kind == "missing":
        reason, what = Reason.MISSING_FIELD, "is missing"
    elif kind == "extra_forbidden":
        reason, what = Reason.UNKNOWN_FIELD, "is not a field of this event_type; see docs/data-dictionary.md"
    elif kind.endswith(_WRONG_TYPE_SUFFIXES):
        reason, what = Reason.WRONG_TYPE, f"has the wrong type: {complaint['msg']}"
    else:
        reason, what = Reason.INVALID_VALUE, f"is not acceptable: {complaint['msg']}"
    also = f" ({others} more {'fault' if others == 1 else 'faults'})" if others else ""
    return Rejected(reason, f"{field} {what}{also}", field=field)


def write_event(event: AnyEvent) -> bytes:
    """The event as one line of JSON, without the newline; read_event gives the event back."""
    return orjson.dumps(event.model_dump(exclude_none=True), default=_plain)


def write_fields(fields: dict[str, object]) -> bytes:
    """A caller's plain values as one line of JSON.

    Raises:
        Rejected: A value has no JSON form. The text does not hold it.
    """
    try:
        return orjson.dumps(fields, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        raise Rejected(Reason.WRONG_TYPE, f"a value of the event has no JSON form: {error}") from None


def _plain(value: object) -> object:
    """JSON form of what orjson does not know itself; amounts go as text to stay exact, and never as 1E+2 or -0."""
    if isinstance(value, Decimal):
        return f"{value or abs(value):f}"
    raise TypeError(type(value).__name__)
