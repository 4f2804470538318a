"""The quick way and the models must agree: what a struct takes, its model takes, and reads as the same event."""

import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopstream.schemas import EVENT_TYPES, Rejected, read_event, write_fields
from shopstream.schemas.identifiers import is_event_id
from shopstream.schemas.structs import STRUCTS, WHOLE_STRUCTS, EventStruct, may_hold_control_characters

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WHOLE: dict[str, dict[str, Any]] = {
    "search": {
        "query_id": "q-1",
        "query": "rote Grütze",
        "intent": {"label": "product", "confidence": 0.5, "classifier": "rules-1"},
        "filters": [{"name": "brand", "value": "x"}],
        "sort": "price",
        "page": 2,
        "total_results": 3,
        "results": [{"product_id": "a", "position": 1}, {"product_id": "b", "position": 2}],
        "latency_ms": 1.5,
        "error": "TimeoutError",
        "channel": "web",
    },
    "interaction": {
        "action": "cart_add",
        "product_id": "a",
        "query_id": "q-1",
        "position": 1,
        "quantity": "0.5",
        "unit_price": "1.10",
        "currency": "EUR",
        "dwell_ms": 3,
    },
    "order": {
        "order_id": "o",
        "status": "placed",
        "items": [{"product_id": "a", "category": "c", "brand": "b", "quantity": 2, "unit_price": "1.10"}],
        "currency": "EUR",
        "total_amount": "2.20",
        "channel": "app",
        "query_id": "q-1",
    },
    "voice": {
        "provider": "p",
        "conversation_id": "c",
        "duration_ms": 1,
        "turns": [{"role": "user", "text": "milk", "offset_ms": 0}],
        "query_ids": ["q-1"],
    },
    "exposure": {
        "event_type": "exposure",
        "experiment": "new-reorders",
        "variant": "model",
        "decision_id": "df8fd4bcf5b04c8923d4563e1264670e",
    },
    "consent": {"user_id": "u", "purpose": "analytics", "granted": True, "policy_version": "3"},
    "product": {
        "product_id": "a",
        "name": "Milk",
        "category": ["food", "dairy"],
        "brand": "alpine",
        "price": 3,
        "currency": "EUR",
        "rating": 4.5,
        "rating_count": 2,
        "rank": 1,
        "availability": "in_stock",
    },
    "ledger_entry": {
        "writer_id": "w-1",
        "began_at": NOW,
        "first_sequence": 1,
        "last_sequence": 2,
        "skipped": 1,
        "dropped": 1,
        "captured": 1,
        "failed": 1,
        "refused": [{"reason": "capture.refused.full", "events": 2}],
        "sent": [{"backend": "pubsub", "records": 2}],
        "closing": True,
    },
}
ENVELOPE = {
    "event_id": "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
    "schema_version": 1,
    "occurred_at": NOW,
    "source": "test",
    "user_id": "u-1",
    "session_id": "s-1",
    "traffic": "test",
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([2**31, 2**63 - 1, 2**63, 2**70, -(2**63)]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["", "a\n", "EUR\n", "\x7f", "a\x00", "ü" * 256, "ü" * 257, "x" * 2049, "\ud800", 'say "a"', "\\"]),
    st.sampled_from(["1", "0", "0.0", "-1", "1e3", "1.0000000001", "9" * 29, "9" * 30, "NaN", "1_0", " 1", "\u0661"]),
    st.sampled_from([NOW, NOW.astimezone(timezone(timedelta(hours=5, minutes=30))), NOW.replace(tzinfo=None)]),
    st.sampled_from(["2026-11-20T12:00:00Z", "2026-11-20 12:00:00+02:00", "2026-11-20T12:00:00", "2026-11-20", "now"]),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def quickly(fields: dict[str, Any]) -> bytes | None:
    """The JSON of what a struct takes, as capture writes it."""
    try:
        event = msgspec.convert(fields, STRUCTS[fields["event_type"]])
        document = msgspec.json.encode(event)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    return document if is_event_id(event.event_id) and not may_hold_control_characters(document) else None


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in the fields where something else may stand."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], odd)
    return copy


def test_every_event_type_has_a_whole_example() -> None:
    assert set(WHOLE) == set(EVENT_TYPES) == set(STRUCTS)
    for event_type, model in EVENT_TYPES.items():
        own = (
            set(model.model_fields)
            - set(ENVELOPE)
            - {"event_type", "sequence", "imported"}
            - ({"writer_id"} - set(WHOLE[event_type]))
        )
        assert own - set(WHOLE[event_type]) == set()


@pytest.mark.parametrize("event_type", WHOLE)
def test_a_whole_event_goes_the_quick_way_and_reads_the_same(event_type: str) -> None:
    fields = {**ENVELOPE, "event_type": event_type, **WHOLE[event_type]}
    document = quickly(fields)
    assert document is not None
    assert read_event(document, NOW, unknown_fields="forbid") == read_event(
        write_fields(fields), NOW, unknown_fields="forbid"
    )
    assert orjson.loads(document)["schema_version"] == 1


@pytest.mark.parametrize("event_type", WHOLE)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_what_a_struct_takes_its_model_takes_and_reads_the_same(event_type: str, data: st.DataObject) -> None:
    fields = {**ENVELOPE, "event_type": event_type, **WHOLE[event_type]}
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from([each for each in places(fields) if each and each != ("event_type",)]))
        fields = changed(fields, place, data.draw(ODD))
    document = quickly(fields)
    if document is None:
        return  # The models decide.
    try:
        slow = read_event(write_fields(fields), NOW, unknown_fields="forbid")
    except Rejected as rejection:
        if rejection.field == "occurred_at":
            return  # Compared with the clock by capture, whichever way it came.
        raise AssertionError(f"the struct takes what the model refuses: {rejection}") from None
    assert read_event(document, NOW, unknown_fields="forbid") == slow


@pytest.mark.parametrize(
    ("event_type", "change"),
    [
        ("search", {"shoe_size": 43}),
        ("search", {"query": "x" * 2049}),
        ("search", {"results": [{"product_id": "a", "position": 0}]}),
        ("search", {"results": [{"product_id": "", "position": 1}]}),
        ("search", {"results": [{"product_id": "a\x00", "position": 1}]}),
        ("search", {"page": True}),
        ("interaction", {"unit_price": 1.5}),
        ("interaction", {"unit_price": "-1"}),
        ("interaction", {"quantity": "0.000"}),
        ("interaction", {"currency": "EUR\n"}),
        ("interaction", {"unit_price": Decimal("1.5")}),
        ("order", {"items": []}),
        ("consent", {"granted": 1}),
    ],
)
def test_the_quick_way_leaves_these_to_the_models(event_type: str, change: dict[str, Any]) -> None:
    assert quickly({**ENVELOPE, "event_type": event_type, **WHOLE[event_type], **change}) is None


def test_a_decimal_may_stand_for_a_float() -> None:
    document = quickly({**ENVELOPE, "event_type": "search", **WHOLE["search"], "latency_ms": Decimal("1.5")})
    assert document is not None
    assert orjson.loads(document)["latency_ms"] == 1.5
    for odd in ("Infinity", "NaN"):
        assert quickly({**ENVELOPE, "event_type": "voice", **WHOLE["voice"], "duration_ms": Decimal(odd)}) is None


@pytest.mark.parametrize("structs", [STRUCTS, WHOLE_STRUCTS])
@pytest.mark.parametrize("event_type", WHOLE)
def test_a_struct_can_be_pickled(event_type: str, structs: dict[str, type[EventStruct]]) -> None:
    event = msgspec.convert({**ENVELOPE, "event_type": event_type, **WHOLE[event_type]}, structs[event_type])
    again = pickle.loads(pickle.dumps(event))  # noqa: S301 - our own bytes
    assert (type(again), again) == (structs[event_type], event)
