"""What a caller hands over becomes the JSON of an event that may be kept: completed, made private, checked. No I/O."""

from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import NamedTuple

import msgspec

from shopstream.schemas import EVENT_TYPES, Event, Rejected, read_event, write_fields
from shopstream.schemas.identifiers import EventIds, is_event_id
from shopstream.schemas.scrub import scrub_fields
from shopstream.schemas.structs import STRUCTS, may_hold_control_characters
from shopstream.schemas.validation import MAX_EVENT_BYTES, check_time

from .context import CURRENT, Context
from .counters import Counter, Counts
from .fields import Fields, fields_in, fields_of, remains_of
from .intent import Classifier, Intent, intents_by
from .privacy import OF_THE_SHOP, Privacy
from .spool_format import Entry

SCHEMA_VERSION = 1
_ENVELOPE = ("event_id", "occurred_at", "source", "schema_version")
_WITH_CHANNEL = tuple(name for name, model in EVENT_TYPES.items() if "channel" in model.model_fields)
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

    def __init__(
        self,
        counts: Counts,
        *,
        privacy: Privacy,
        classifier: Classifier,
        source: str,
        now: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._counts, self._privacy, self._intent_of = counts, privacy, intents_by(classifier)
        self._source, self._now = source, now
        self._event_ids = EventIds(random)

    def take(self, event: Event | Mapping[str, object]) -> Entry | Refused | None:
        """The event in an event or a mapping of its fields; the caller's own object is left as it is.

        None where nothing of it may be kept, for want of consent, which is counted.
        """
        now = self._now()
        try:
            given = event if type(event) is dict else fields_of(event)
        except Rejected as rejection:
            return Refused(rejection, b"", now)
        return self._take(given, None, now)

    def take_line(self, line: bytes) -> Entry | Refused | None:
        """The same for one line of JSON."""
        now = self._now()
        try:
            given = fields_in(line, now)
        except Rejected as rejection:
            return Refused(rejection, line, now)
        return self._take(given, line, now)

    def new_id(self) -> str:
        """A new UUIDv7."""
        return self._event_ids.make(self._now())

    def forget(self) -> None:
        """In a forked child: make none of the event_ids that its parent makes."""
        self._event_ids.forget()

    # Every event goes through it, and a call costs as much as what it would call.
    def _take(self, given: Fields, line: bytes | None, now: datetime) -> Entry | Refused | None:  # noqa: C901
        event_id = self._event_ids.make(now)
        fields: Fields = {
            "event_id": event_id,
            "occurred_at": now,
            "source": self._source,
            "schema_version": SCHEMA_VERSION,
            **given,
        }
        context = CURRENT.get()
        if context is not None:
            _fill(fields, context)
        whose = fields.get("user_id")
        try:
            if not self._privacy.apply(fields, None if context is None else context.analytics_consent):
                return None
        except Rejected as rejection:
            return Refused(rejection, remains_of(scrub_fields(fields)), now)
        private = scrub_fields(fields)
        if private is not fields:
            self._counts.add(Counter.SCRUBBED)
            fields = private
        intent = self._intent(fields)
        if intent is not None:
            fields["intent"] = intent
        try:
            event_type = fields["event_type"]
            event = msgspec.convert(fields, STRUCTS[event_type])  # type: ignore[index]
            document = _write(event)
            if event.occurred_at is not now:
                check_time(event.occurred_at, now)
            if (
                may_hold_control_characters(document)
                or len(document) > MAX_EVENT_BYTES
                or (event.event_id is not event_id and not is_event_id(event.event_id))
            ):
                read_event(document, now, unknown_fields="forbid")
        except _NOT_QUICKLY:
            # The models have the word: they take it after all, or say what is wrong.
            if intent is not None:
                del fields["intent"]
            as_given = fields == given
            envelope = (event_id, now, self._source, SCHEMA_VERSION)
            fields |= {name: value for name, value in zip(_ENVELOPE, envelope, strict=True) if fields[name] is None}
            taken = _take_slowly(fields, intent, line if as_given else None, now)
        else:
            numbered = event.writer_id is None and event.sequence is None
            taken = Entry(event_type, document, numbered, event.event_id)  # type: ignore[arg-type]
        if type(taken) is Entry and taken.event_type == "consent":
            self._hear(whose, taken.document)
        return taken

    def _intent(self, fields: Fields) -> Intent | None:
        """What a search gets that has none; None otherwise."""
        if fields.get("event_type") != "search" or fields.get("intent") is not None:
            return None
        query = fields.get("query")
        return self._intent_of(query) if isinstance(query, str) else None

    def _hear(self, whose: object, document: bytes) -> None:
        """A decision that may be kept counts from now on."""
        decision = msgspec.json.decode(document, type=STRUCTS["consent"])
        self._privacy.hear(str(whose), decision.purpose, decision.granted, decision.occurred_at)  # type: ignore[attr-defined]


def _take_slowly(fields: Fields, intent: Intent | None, line: bytes | None, now: datetime) -> Entry | Refused:
    numbered = fields.get("writer_id") is None and fields.get("sequence") is None
    if numbered:
        fields = {name: value for name, value in fields.items() if name not in ("writer_id", "sequence")}
    try:
        document = write_fields(fields if intent is None else fields | {"intent": intent})
        event = read_event(document, now, unknown_fields="forbid")
    except Rejected as rejection:
        return Refused(rejection, remains_of(fields) if line is None else line, now)
    return Entry(event.event_type, document, numbered, event.event_id)


def _fill(fields: Fields, context: Context) -> None:
    """Whose event it is, in which visit and where, from around it, where it does not say so itself."""
    event_type = fields.get("event_type")
    if event_type in OF_THE_SHOP:
        return
    if context.user_id is not None and fields.get("user_id") is None:
        fields["user_id"] = context.user_id
    if context.session_id is not None and fields.get("session_id") is None:
        fields["session_id"] = context.session_id
    if context.channel is not None and event_type in _WITH_CHANNEL and fields.get("channel") is None:
        fields["channel"] = context.channel
    if context.traffic is not None and fields.get("traffic") is None:
        fields["traffic"] = context.traffic
