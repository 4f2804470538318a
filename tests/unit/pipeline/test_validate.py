"""An event is what its message says it is."""

from datetime import UTC, datetime

import pytest

from shopstream.pipeline.arrival import Delivery, Line
from shopstream.pipeline.validate import validate
from shopstream.schemas import Reason, Rejected

NOW = datetime(2026, 11, 20, tzinfo=UTC)
CONSENT = (
    b'{"event_id":"0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b","event_type":"consent","schema_version":1,"user_id":"u",'
    b'"occurred_at":"2026-11-19T12:00:00Z","source":"s","purpose":"analytics","granted":true,"policy_version":"1"}'
)


def line(**attributes: str) -> Line:
    return Line(CONSENT, 0, Delivery("m-1", attributes, NOW))


def test_a_message_need_not_say_what_it_holds() -> None:
    assert validate(line(), NOW).event.event_type == "consent"
    assert validate(line(event_type="consent"), NOW).event.user_id == "u"


@pytest.mark.parametrize("said", ["search", "", "failed"])
def test_an_event_of_another_type_than_its_message_says_is_rejected(said: str) -> None:
    with pytest.raises(Rejected) as raised:
        validate(line(event_type=said), NOW)
    assert (raised.value.reason, raised.value.field) == (Reason.ATTRIBUTE_MISMATCH, "attributes.event_type")
