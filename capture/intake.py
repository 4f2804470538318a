"""What a caller hands over becomes the JSON of an event that may be kept: completed, scrubbed, checked. No I/O."""

from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import NamedTuple

import msgspec

from shopstream.schemas import Event, Rejected, read_event, write_fields
from shopstream.schemas.identifiers import EventIds
from shopstream.schemas.scrub import scrub_fields
from shopstream.schemas.structs import STRUCTS, may_hold_control_characters
from shopstream.schemas.validation import MAX_EVENT_BYTES, check_time

from .counters import Counts
from .fields import Fields, fields_in, fields_of, remains_of
from .spool_format import Entry

SCHEMA_VERSION = 1
_ENVELOPE = ("event_id", "occurred_at", "source", "schema_version")
_write = msgspec.json.Encoder().encode
_NOT_QUICKLY = (msgspec.ValidationError, LookupError, TypeError, UnicodeEncodeError, RecursionError, Rejected)
"""What a struct, or writing it, answers to anything out of the ordinary."""


class Refused(NamedTuple):
    """What is wrong, and what is kept of it."""

    rejection: Rejected
    payload: bytes
    at: datetime


class Intake:
    """The one way in, for every event of a process, whatever form it comes in."""

    def __init__(self, counts: Counts, *, source: str, now: Callable[[], datetime], random: Random) -> None:
        self._counts, self._source, self._now = counts, source, now
        self._event_ids = EventIds(random)

    def take(self, event: Event | Mapping[str, object]) -> Entry | Refused:
        """The event in an event or a mapping of its fields; the caller's own object is left as it is."""
        now = self._now()
        try:
            given = event if type(event) is dict else fields_of(event)
        except Rejected as rejection:
            return Refused(rejection, b"", now)
        return self._take(given, None, now)

    def take_line(self, line: bytes) -> Entry | Refused:
        """The event in one line of JSON."""
        now = self._now()
        try:
            given = fields_in(line, now)
        except Rejected as rejection:
            return Refused(rejection, line, now)
        return self._take(given, line, now)

    def forget(self) -> None:
        """In a forked child: make none of the event_ids that its parent makes."""
        self._event_ids.forget()

    def _take(self, given: Fields, line: bytes | None, now: datetime) -> Entry | Refused:
        event_id = self._event_ids.make(now)
        fields = scrub_fields(
            {
                "event_id": event_id,
                "occurred_at": now,
                "source": self._source,
                "schema_version": SCHEMA_VERSION,
                **given,
            }
        )
        try:
            event = msgspec.convert(fields, STRUCTS[fields["event_type"]])  # type: ignore[index]
            document = _write(event)
            if event.occurred_at is not now:
                check_time(event.occurred_at, now)
            if may_hold_control_characters(document) or len(document) > MAX_EVENT_BYTES:
                read_event(document, now, unknown_fields="forbid")
        except _NOT_QUICKLY:
            # The models have the word: they take it after all, or say what is wrong.
            as_given = fields == given
            envelope = (event_id, now, self._source, SCHEMA_VERSION)
            fields |= {name: value for name, value in zip(_ENVELOPE, envelope, strict=True) if fields[name] is None}
            return _take_slowly(fields, line if as_given else None, now)
        numbered = event.writer_id is None and event.sequence is None
        return Entry(fields["event_type"], document, numbered, event.event_id)  # type: ignore[arg-type]


def _take_slowly(fields: Fields, line: bytes | None, now: datetime) -> Entry | Refused:
    numbered = fields.get("writer_id") is None and fields.get("sequence") is None
    if numbered:
        fields = {name: value for name, value in fields.items() if name not in ("writer_id", "sequence")}
    try:
        document = write_fields(fields)
        event = read_event(document, now, unknown_fields="forbid")
    except Rejected as rejection:
        return Refused(rejection, remains_of(fields) if line is None else line, now)
    return Entry(event.event_type, document, numbered, event.event_id)
