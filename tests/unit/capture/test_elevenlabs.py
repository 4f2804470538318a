"""Webhooks signed as ElevenLabs signs them, and everything else that may come instead."""

import hashlib
import hmac
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.capture.elevenlabs import Forged, voice_event
from shopstream.schemas import Reason, Rejected, read_event, write_fields
from shopstream.schemas.events import Voice

SECRET = "wsec_0123456789abcdef"  # noqa: S105 - made up
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STARTED = int(NOW.timestamp()) - 120
BODY: dict[str, Any] = {
    "type": "post_call_transcription",
    "event_timestamp": STARTED + 70,
    "data": {
        "agent_id": "agent_1",
        "conversation_id": "conv_1",
        "status": "done",
        "has_audio": True,
        "transcript": [
            {"role": "agent", "message": "Hello, what may I find?", "time_in_call_secs": 0, "tool_calls": None},
            {"role": "user", "message": "Oat milk. Mail me at anna@example.com.", "time_in_call_secs": 2},
            {
                "role": "agent",
                "message": None,
                "time_in_call_secs": 3,
                "tool_calls": [{"tool_name": "search", "params_as_json": '{"q": "oat milk"}'}],
                "tool_results": [{"tool_name": "search", "result_value": '{"query_id": "q-7", "hits": []}'}],
            },
            {"role": "tool", "message": "not said", "time_in_call_secs": None},
            {"role": "agent", "message": "There is one.", "time_in_call_secs": 9.5, "interrupted": False},
        ],
        "metadata": {
            "start_time_unix_secs": STARTED,
            "call_duration_secs": 61,
            "phone_call": {"external_number": "+49 170 1234567"},
        },
        "analysis": {"transcript_summary": "Anna wants oat milk."},
        "conversation_initiation_client_data": {
            "user_id": "u-42",
            "dynamic_variables": {"query_id": "q-1", "first_name": "Anna"},
        },
    },
}


def header(body: bytes, key: str = SECRET, at: datetime = NOW) -> str:
    stamp = str(int(at.timestamp()))
    return f"t={stamp},v0={hmac.new(key.encode(), stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def fields_of(body: Any) -> dict[str, Any]:
    raw = orjson.dumps(body)
    return voice_event(raw, header(raw), SECRET, NOW)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The body with one place of it replaced; ... takes it away."""
    body = deepcopy(BODY)
    *way, last = path.split(".")
    place: Any = body
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    key: Any = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return body


def test_a_conversation_becomes_a_voice_event() -> None:
    fields = fields_of(BODY)
    assert fields == {
        "event_id": fields["event_id"],
        "event_type": "voice",
        "occurred_at": NOW - timedelta(seconds=120),
        "provider": "elevenlabs",
        "conversation_id": "conv_1",
        "duration_ms": 61_000,
        "turns": [
            {"role": "agent", "text": "Hello, what may I find?", "offset_ms": 0},
            {"role": "user", "text": "Oat milk. Mail me at anna@example.com.", "offset_ms": 2000},
            {"role": "agent", "text": "There is one.", "offset_ms": 9500},
        ],
        "query_ids": ["q-1", "q-7"],
        "user_id": "u-42",
    }


def test_tracked_it_is_scrubbed_and_keeps_nothing_else_of_the_body(rig: Any) -> None:
    event_id = rig.capture.track(fields_of(BODY))
    rig.ship()
    (event,) = rig.backend.events()
    assert event["event_id"] == event_id
    assert event["turns"][1]["text"] == "Oat milk. Mail me at [email]."
    assert b"1234567" not in rig.backend.received[0].document
    assert b"Anna" not in rig.backend.received[0].document


def test_the_same_conversation_has_the_same_event_id_and_no_other_has() -> None:
    first = fields_of(BODY)["event_id"]
    assert first == "a8a41b36-9751-5203-8fb0-86fa592e7df0"  # Another one would double what is stored already.
    assert fields_of(changed("event_timestamp", 1))["event_id"] == first
    assert fields_of(changed("data.conversation_id", "conv_2"))["event_id"] != first
    assert fields_of(changed("data.metadata.start_time_unix_secs", STARTED + 1))["event_id"] != first


def test_the_user_may_be_named_in_either_place_or_not_at_all() -> None:
    without = changed("data.conversation_initiation_client_data", None)
    assert "user_id" not in fields_of(without)
    without["data"]["user_id"] = "u-43"
    assert fields_of(without)["user_id"] == "u-43"


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ('{"query_id": "q-1"}', ["q-1"]),
        ('{"query_id": "q-8"}', ["q-1", "q-8"]),
        ({"query_id": "q-8"}, ["q-1", "q-8"]),
        ('{"query_id": 8}', ["q-1"]),
        ('{"query_id": "a\\nb"}', ["q-1"]),
        ('["query_id"]', ["q-1"]),
        ("not JSON, query_id", ["q-1"]),
        (None, ["q-1"]),
    ],
    ids=str,
)
def test_searches_are_those_the_tools_answered_with(result: Any, found: list[str]) -> None:
    assert fields_of(changed("data.transcript.2.tool_results.0.result_value", result))["query_ids"] == found


def test_more_than_the_contract_takes_is_cut_off() -> None:
    turn = {"role": "user", "message": "word " * 3000, "time_in_call_secs": 1}
    tools = {
        "role": "agent",
        "message": None,
        "tool_results": [{"result_value": f'{{"query_id": "t-{n}"}}'} for n in range(200)],
    }
    assert [len(each["text"]) for each in fields_of(changed("data.transcript", [turn]))["turns"]] == [10_000]
    short = {**turn, "message": "yes"}
    assert len(fields_of(changed("data.transcript", [short] * 1500))["turns"]) == 1000
    assert len(fields_of(changed("data.transcript", [tools]))["query_ids"]) == 100
    with pytest.raises(Rejected) as caught:
        fields_of(changed("data.transcript", [turn] * 1500))
    assert caught.value.reason == Reason.TOO_LARGE


@pytest.mark.parametrize("start", range(9_985, 10_000))
def test_no_half_of_a_phone_number_is_left_at_the_cut(start: int) -> None:
    message = "x" * (start - 1) + " +49 170 1234567 and so on"
    (turn,) = fields_of(changed("data.transcript", [{"role": "user", "message": message, "time_in_call_secs": 0}]))[
        "turns"
    ]
    assert "+49" not in turn["text"]
    assert len(turn["text"]) <= 10_000


@pytest.mark.parametrize("transcript", [None, []])
def test_a_conversation_without_words_is_one_too(transcript: Any) -> None:
    assert fields_of(changed("data.transcript", transcript))["turns"] == []


@pytest.mark.parametrize("kind", ["post_call_audio", "call_initiation_failure", "voice_removed", None, 7])
def test_a_webhook_of_another_kind_is_rejected_by_a_reason_of_its_own(kind: Any) -> None:
    with pytest.raises(Rejected) as caught:
        fields_of({"type": kind, "data": {"conversation_id": "c", "full_audio": "SUQz"}})
    assert (caught.value.reason, caught.value.field) == (Reason.UNKNOWN_EVENT_TYPE, "type")


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("data", None, "data"),
        ("data.conversation_id", ..., "conversation_id"),
        ("data.conversation_id", "", "conversation_id"),
        ("data.metadata", ..., "data.metadata"),
        ("data.metadata.start_time_unix_secs", ..., "data.metadata.start_time_unix_secs"),
        ("data.metadata.start_time_unix_secs", True, "data.metadata.start_time_unix_secs"),
        ("data.metadata.start_time_unix_secs", "secret", "data.metadata.start_time_unix_secs"),
        ("data.metadata.start_time_unix_secs", 10**18, "data.metadata.start_time_unix_secs"),
        ("data.metadata.start_time_unix_secs", STARTED + 10**6, "occurred_at"),
        ("data.metadata.call_duration_secs", -1, "data.metadata.call_duration_secs"),
        ("data.transcript", "secret", "data.transcript"),
        ("data.transcript.1", "secret", "data.transcript.1"),
        ("data.transcript.1.message", ["secret"], "data.transcript.1.message"),
        ("data.transcript.1.time_in_call_secs", None, "data.transcript.1.time_in_call_secs"),
        ("data.conversation_initiation_client_data.user_id", ["secret"], "user_id"),
    ],
)
def test_a_wrong_body_is_rejected_by_its_field_without_its_values(path: str, value: Any, field: str) -> None:
    with pytest.raises(Rejected) as caught:
        fields_of(changed(path, value))
    assert caught.value.field == field
    assert "secret" not in str(caught.value)


RAW = orjson.dumps(BODY)
GOOD = header(RAW)
STAMP, DIGEST = GOOD.removeprefix("t=").split(",v0=")


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=,v0=",
        "nonsense",
        f"v0={DIGEST}",
        f"t={STAMP}",
        f"t={STAMP},v1={DIGEST}",
        f"t={STAMP},v0={DIGEST[:-1]}0" if DIGEST[-1] != "0" else f"t={STAMP},v0={DIGEST[:-1]}1",
        f"t={STAMP},v0={DIGEST[:-1]}",
        f"t={STAMP},v0={DIGEST}0",
        f"t={STAMP},v0=",
        f"t={int(STAMP) + 1},v0={DIGEST}",
        f"t={STAMP},t={STAMP},v0={DIGEST}",
        f"t=-{STAMP},v0={DIGEST}",
        f"t={STAMP}.0,v0={DIGEST}",
        f"t=1e9,v0={DIGEST}",
        f"t={'9' * 5000},v0={DIGEST}",
        f"t=١٢٣,v0={DIGEST}",
        f"t={STAMP},v0=é\ud800",
        header(RAW, key="another"),
        header(RAW + b" "),
    ],
)
def test_a_signature_that_is_not_right_is_forged(signature: str) -> None:
    with pytest.raises(Forged) as caught:
        voice_event(RAW, signature, SECRET, NOW)
    assert SECRET not in str(caught.value)
    assert DIGEST not in str(caught.value)


@pytest.mark.parametrize(
    ("age", "taken"), [(0, True), (1800, True), (1801, False), (-300, True), (-301, False), (10**9, False)]
)
def test_a_signature_is_taken_for_half_an_hour(age: int, taken: bool) -> None:
    signature = header(RAW, at=NOW - timedelta(seconds=age))
    if taken:
        assert voice_event(RAW, signature, SECRET, NOW)["conversation_id"] == "conv_1"
    else:
        with pytest.raises(Forged, match="not recent"):
            voice_event(RAW, signature, SECRET, NOW)


def test_while_a_secret_is_replaced_one_signature_of_several_is_enough() -> None:
    old = header(RAW, key="old one").split(",")[1]
    for signature in (f"{GOOD},{old}", f"t={STAMP},{old},v0={DIGEST}", f"t={STAMP}, {old}, v0={DIGEST}, v1=later"):
        assert voice_event(RAW, signature, SECRET, NOW)["conversation_id"] == "conv_1"


def test_an_empty_secret_signs_nothing() -> None:
    with pytest.raises(ValueError, match="CAPTURE_ELEVENLABS_SECRET"):
        voice_event(RAW, header(RAW, key="x"), "", NOW)


def test_a_forged_body_is_not_even_parsed() -> None:
    with pytest.raises(Forged):
        voice_event(b"not JSON", GOOD, SECRET, NOW)
    with pytest.raises(Rejected, match="not JSON"):
        voice_event(b"not JSON", header(b"not JSON"), SECRET, NOW)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["query_id", "role", "x"]), inner),
    max_leaves=8,
)
PATHS = [
    "type",
    "data",
    "data.conversation_id",
    "data.transcript",
    "data.transcript.1",
    "data.transcript.1.role",
    "data.transcript.1.message",
    "data.transcript.1.time_in_call_secs",
    "data.transcript.2.tool_results",
    "data.transcript.2.tool_results.0",
    "data.transcript.2.tool_results.0.result_value",
    "data.metadata",
    "data.metadata.start_time_unix_secs",
    "data.metadata.call_duration_secs",
    "data.conversation_initiation_client_data",
    "data.conversation_initiation_client_data.user_id",
    "data.conversation_initiation_client_data.dynamic_variables",
    "data.conversation_initiation_client_data.dynamic_variables.query_id",
    "data.user_id",
]


def is_taken_or_rejected(raw: bytes) -> None:
    try:
        fields = voice_event(raw, header(raw), SECRET, NOW)
    except Rejected:
        return
    event = read_event(write_fields({**fields, "source": "test"}), NOW, unknown_fields="forbid")
    assert isinstance(event, Voice)


@given(path=st.sampled_from(PATHS), value=ANYTHING)
def test_whatever_stands_in_one_place_is_taken_or_rejected(path: str, value: Any) -> None:
    is_taken_or_rejected(orjson.dumps(changed(path, value)))


@given(body=ANYTHING.map(orjson.dumps) | st.binary())
def test_whatever_body_is_signed_is_taken_or_rejected(body: bytes) -> None:
    is_taken_or_rejected(body)


@given(signature=st.text() | st.from_regex(r"(t=[0-9]{0,12},?)?(v0=[0-9a-f]{0,64},?){0,3}", fullmatch=True))
def test_whatever_signature_comes_is_forged(signature: str) -> None:
    with pytest.raises(Forged):
        voice_event(RAW, signature, SECRET, NOW)
