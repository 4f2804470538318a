import base64
from collections import UserDict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from shopstream.capture import interaction, item, order, search
from shopstream.capture.counters import Counter
from shopstream.schemas import EVENT_TYPES, Reason, Rejected

NOW = "2026-11-20T12:00:00Z"
EVENT_ID = "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
WHOLE = {
    "event_id": EVENT_ID,
    "event_type": "consent",
    "schema_version": 1,
    "occurred_at": NOW,
    "source": "test",
    "user_id": "u-1",
    "purpose": "analytics",
    "granted": True,
    "policy_version": "3",
}


def spooled(rig: Any) -> list[dict[str, Any]]:
    rig.ship()
    return rig.backend.events()


def failed(rig: Any) -> dict[str, Any]:
    rig.ship()
    (only,) = rig.backend.failed()
    return only


def payload(failure: dict[str, Any]) -> bytes:
    return base64.b64decode(failure["payload"])


def line(**changes: Any) -> bytes:
    return orjson.dumps({name: value for name, value in (WHOLE | changes).items() if value is not ...})


def test_the_envelope_is_filled_in(rig: Any) -> None:
    event_id = rig.track(7)
    (event,) = spooled(rig)
    assert event["event_id"] == event_id
    assert event_id[14] == "7"
    assert (event["source"], event["schema_version"], event["sequence"]) == ("test", 1, 1)
    assert event["occurred_at"] == NOW
    assert event["writer_id"]


def test_what_the_caller_gives_is_kept(rig: Any) -> None:
    assert rig.capture.track(WHOLE | {"writer_id": "w", "sequence": 9}) == EVENT_ID
    (event,) = spooled(rig)
    assert event == WHOLE | {"writer_id": "w", "sequence": 9}


def test_the_callers_mapping_is_left_alone(rig: Any) -> None:
    fields = {**WHOLE, "writer_id": None, "event_id": None}
    before = dict(fields)
    assert rig.capture.track(fields)
    assert fields == before


def test_an_event_object_and_a_line_take_the_same_path(rig: Any) -> None:
    event = EVENT_TYPES["consent"].model_validate_json(line())
    assert rig.capture.track(event) == rig.capture.track_line(line()) == rig.capture.track(WHOLE) == EVENT_ID
    own = {"sequence": 0, "imported": False}
    first, second, third = (event | own for event in spooled(rig))
    assert first == second == third


def test_the_adapters_give_events(rig: Any) -> None:
    kept = [
        rig.capture.track(each)
        for each in (
            search(query_id="q", query="milk", product_ids=["a", "b"], first_position=11, filters={"brand": "x"}),
            interaction(action="cart_add", product_id="a", query_id="q", position=11, quantity=Decimal("0.5")),
            order(
                order_id="o",
                status="placed",
                items=[item(product_id="a", quantity=2, unit_price=Decimal("1.10"))],
                currency="EUR",
                total_amount="2.20",
                user_id="u-1",
            ),
        )
    ]
    assert all(kept), rig.backend.failed()
    found, _, bought = spooled(rig)
    assert [result["position"] for result in found["results"]] == [11, 12]
    assert bought["items"][0]["unit_price"] == "1.10"


REASONS: dict[Reason, bytes] = {
    Reason.MALFORMED_JSON: b'{"event_type": "search", ',
    Reason.NOT_UTF8: b'{"event_type": "\xff"}',
    Reason.TOO_LARGE: b'{"query": "' + b"x" * 10_000_000 + b'"}',
    Reason.UNKNOWN_EVENT_TYPE: line(event_type="serach"),
    Reason.UNKNOWN_SCHEMA_VERSION: line(schema_version=2),
    Reason.UNKNOWN_FIELD: line(shoe_size=43),
    Reason.MISSING_FIELD: line(granted=...),
    Reason.WRONG_TYPE: line(granted="yes"),
    Reason.INVALID_VALUE: line(purpose="fun"),
    Reason.TIME_OUT_OF_RANGE: line(occurred_at="2099-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_wrong_line_becomes_a_failed_event_with_its_bytes(rig: Any, reason: Reason) -> None:
    wrong = REASONS[reason]
    assert rig.capture.track_line(wrong) is None
    failure = failed(rig)
    assert (failure["stage"], failure["reason"]) == ("capture", reason)
    assert payload(failure) == wrong[:262_144]
    assert failure["payload_bytes"] == len(wrong)
    assert rig.count(Counter.FAILED) == 1
    assert rig.count(Counter.CAPTURED) == 0


@pytest.mark.parametrize("reason", REASONS)
def test_a_wrong_line_raises_in_strict_mode(new_rig: Any, reason: Reason) -> None:
    rig = new_rig(strict=True)
    with pytest.raises(Rejected) as raised:
        rig.capture.track_line(REASONS[reason])
    assert raised.value.reason == reason
    assert rig.segments() == []


def test_every_reason_has_a_way_to_it() -> None:
    elsewhere = {
        Reason.ROW_REFUSED,
        Reason.BACKEND_REFUSED,
        Reason.UNREADABLE_MESSAGE,
        Reason.DAMAGED_LINE,
        Reason.ATTRIBUTE_MISMATCH,
        Reason.ERASED_USER,
    }  # In test_forwarder, of messages, and of the job.
    assert set(Reason) - elsewhere == set(REASONS)


def circular() -> dict[str, Any]:
    loop: dict[str, Any] = {"event_type": "search"}
    loop["loop"] = loop
    return loop


def deep() -> dict[str, Any]:
    inner: Any = "secret"
    for _ in range(5000):
        inner = [inner]
    return {"event_type": "search", "query": inner}


UNWRITABLE: dict[str, Callable[[], Any]] = {
    "circular": circular,
    "deep": deep,
    "an object": lambda: {"event_type": "search", "query": object()},
    "a surrogate": lambda: {"event_type": "search", "query": "secret \ud800"},
    "a huge number": lambda: {"event_type": "search", "page": 10**30},
    "bytes": lambda: {"event_type": "search", "query": b"secret"},
    "no mapping": lambda: ["secret"],
    "nothing": lambda: None,
    "ten megabytes": lambda: {"event_type": "search", "query_id": "q", "query": "secret " * 1_500_000},
    "a long unknown name": lambda: {"event_type": "search", "x" * 500_000: 1},
    "a key that is no text": lambda: {"event_type": "search", ("secret",): 1},
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_a_value_without_json_form_is_an_answer_not_an_exception(rig: Any, caplog: Any, name: str) -> None:
    assert rig.capture.track(UNWRITABLE[name]()) is None
    failure = failed(rig)
    assert "secret" not in failure["detail"]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("name", UNWRITABLE)
def test_no_exception_text_holds_the_payload(new_rig: Any, name: str) -> None:
    with pytest.raises(Rejected) as raised:
        new_rig(strict=True).capture.track(UNWRITABLE[name]())
    assert "secret" not in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_a_mapping_that_raises_costs_its_event_only(rig: Any, caplog: Any) -> None:
    class Broken(UserDict[str, object]):
        def __getitem__(self, key: str) -> object:
            raise RuntimeError("secret")

    assert rig.capture.track(Broken(event_type="search")) is None
    assert rig.count(Counter.CRASHED) == 1
    assert "secret" not in caplog.text
    assert rig.track()


def test_queries_and_transcripts_are_scrubbed_before_the_spool(rig: Any) -> None:
    rig.track(1)
    rig.capture.track(search(query_id="q", query="mail me at jane@example.com"))
    rig.capture.track(
        {
            "event_type": "voice",
            "provider": "p",
            "conversation_id": "c",
            "duration_ms": 1,
            "turns": [
                {"role": "user", "text": "call +49 170 1234567", "offset_ms": 0},
                {"role": "agent", "text": "fine", "offset_ms": 1},
            ],
        }
    )
    content = b"".join(path.read_bytes() for path in rig.segments())
    assert b"jane" not in content
    assert b"1234567" not in content
    _, found, voice = spooled(rig)
    assert found["query"] == "mail me at [email]"
    assert [turn["text"] for turn in voice["turns"]] == ["call [phone]", "fine"]


def test_a_wrong_event_is_scrubbed_too(rig: Any) -> None:
    rig.capture.track_line(orjson.dumps({**WHOLE, "query": "jane@example.com", "turns": [{"text": "0170 1234567"}]}))
    kept = payload(failed(rig))
    assert b"jane" not in kept
    assert b"1234567" not in kept


def test_a_failed_event_can_be_sent_again_under_its_event_id(rig: Any) -> None:
    rig.capture.track({"event_type": "search", "query": "milk"})
    failure = failed(rig)
    again = orjson.loads(payload(failure))
    assert (again["event_id"], again["source"]) == (failure["event_id"], "test")


def test_a_failed_event_takes_a_number_too(rig: Any) -> None:
    rig.track(1)
    rig.capture.track_line(b"nonsense")
    rig.track(2)
    assert [event["sequence"] for event in spooled(rig)] == [1, 3]
    assert failed(rig)["sequence"] == 2


def test_an_event_of_yesterday_s_clock_is_taken_and_one_of_next_week_s_is_not(rig: Any) -> None:
    from shopstream.schemas.validation import AHEAD_ACCEPTED

    now = datetime.fromisoformat(NOW)
    assert rig.track(1, occurred_at=now - timedelta(days=400))
    assert rig.track(2, occurred_at=now + AHEAD_ACCEPTED)
    assert rig.track(3, occurred_at=now + timedelta(days=7)) is None
    assert rig.track(4, occurred_at=now.replace(tzinfo=None)) is None


def test_counts_name_everything_from_the_start(rig: Any) -> None:
    assert rig.capture.counts() == {str(counter): 0 for counter in Counter}
