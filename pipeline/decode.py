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
    return Outcome(done=lines)


def _refused_at_capture(line: Line, now: datetime) -> FailedEvent:
    try:
        failure = FailedEvent.model_validate_json(line.payload)
    except ValidationError:
        rejection = Rejected(Reason.UNREADABLE_MESSAGE, "the line is not the failed event its message promises")
        return failed_event(Stage.DECODE, rejection, line, now)
    return failure.model_copy(update={"received_at": line.delivery.received_at, "message_id": line.delivery.message_id})
