"""A message becomes its lines."""

from datetime import datetime

from pydantic import ValidationError

from shopstream.schemas import FailedEvent, Reason, Rejected, Stage, unpack
from shopstream.schemas.message import FAILED_EVENT

from .arrival import Delivered, Line
from .outcome import Outcome, failed_event


def decode(message: Delivered, now: datetime) -> Outcome[Line]:
    """The lines of a message. What capture had already refused arrives as failed events and stays so."""
    whole = Line(message.data, 0, message.delivery)
    try:
        payloads = unpack(message.data, message.delivery.attributes)
    except Rejected as rejection:
        return Outcome(failed=[failed_event(Stage.DECODE, rejection, whole, now)])
    lines = [Line(payload, index, message.delivery) for index, payload in enumerate(payloads)]
    if message.delivery.attributes.get("event_type") == FAILED_EVENT:
        return Outcome(failed=[_refused_at_capture(line, now) for line in lines])
    return Outcome(done=lines, failed=_miscounted(message, len(lines), now))


def _miscounted(message: Delivered, count: int, now: datetime) -> list[FailedEvent]:
    """A record of lines that went missing on the way, or came from nowhere; the lines there are go on all the same."""
    promised = message.delivery.attributes.get("count")
    if promised is None or promised == str(count):
        return []
    rejection = Rejected(
        Reason.ATTRIBUTE_MISMATCH,
        f"the message holds {count:,} lines, not as many as its count says; they went on and are not kept here",
        field="attributes.count",
    )
    # Without bytes: it must not claim an event_id, or a number, of a line that is stored.
    return [failed_event(Stage.DECODE, rejection, Line(b"", count, message.delivery), now)]


def _refused_at_capture(line: Line, now: datetime) -> FailedEvent:
    try:
        failure = FailedEvent.model_validate_json(line.payload)
    except ValidationError:
        rejection = Rejected(Reason.UNREADABLE_MESSAGE, "the line is not the failed event its message promises")
        return failed_event(Stage.DECODE, rejection, line, now)
    delivery = line.delivery
    arrived = {"received_at": delivery.received_at, "message_id": delivery.message_id, "line_index": line.index}
    return failure.model_copy(update=arrived)
