"""Bytes become an event, or a reason that names the field and quotes nothing."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.schemas import EVENT_TYPES, Reason, Rejected, read_event, write_event, write_fields
from shopstream.schemas.validation import AHEAD_ACCEPTED, EARLIEST, MAX_EVENT_BYTES

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CLICK = {
    "event_id": "019e9c5f-8d00-7000-8000-000000000001",
    "event_type": "interaction",
    "occurred_at": "2026-11-20T11:00:00Z",
    "source": "shop-search",
    "action": "click",
    "product_id": "p-1",
}


def read(fields: dict[str, Any]) -> Any:
    return read_event(json.dumps(fields).encode(), NOW, unknown_fields="forbid")


def test_a_written_event_reads_back_as_itself() -> None:
    event = read(CLICK | {"unit_price": "2.50", "currency": "EUR"})
    assert read_event(write_event(event), NOW, unknown_fields="forbid") == event


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"event_type": "serach"}, Reason.UNKNOWN_EVENT_TYPE, "event_type"),
        ({"product_id": None}, Reason.WRONG_TYPE, "product_id"),
        ({"position": "3"}, Reason.WRONG_TYPE, "position"),
        ({"position": True}, Reason.WRONG_TYPE, "position"),
        ({"dwell_ms": float("inf")}, Reason.INVALID_VALUE, "dwell_ms"),
        ({"colour": "red"}, Reason.UNKNOWN_FIELD, "colour"),
        ({"schema_version": 2}, Reason.UNKNOWN_SCHEMA_VERSION, "schema_version"),
        ({"occurred_at": "2026-11-20T11:00:00"}, Reason.INVALID_VALUE, "occurred_at"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE, "occurred_at"),
        ({"occurred_at": "2100-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE, "occurred_at"),
        ({"user_id": ""}, Reason.INVALID_VALUE, "user_id"),
        ({"user_id": "a\u0000b"}, Reason.INVALID_VALUE, "user_id"),
    ],
)
def test_a_fault_names_its_field(change: dict[str, Any], reason: Reason, field: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(CLICK | change)
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_occurred_at_is_bounded_on_both_sides() -> None:
    for moment in (EARLIEST, NOW + AHEAD_ACCEPTED):
        assert read(CLICK | {"occurred_at": moment.isoformat()}).occurred_at == moment
    for moment in (EARLIEST - timedelta(microseconds=1), NOW + AHEAD_ACCEPTED + timedelta(microseconds=1)):
        with pytest.raises(Rejected, match="time_out_of_range"):
            read(CLICK | {"occurred_at": moment.isoformat()})


def test_an_event_of_ten_megabytes_is_refused_unread() -> None:
    with pytest.raises(Rejected, match="too_large"):
        read_event(b"[" * 10_000_000, NOW, unknown_fields="forbid")
    with pytest.raises(Rejected, match="malformed_json"):
        read_event(b"[" * MAX_EVENT_BYTES, NOW, unknown_fields="forbid")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted({n for m in EVENT_TYPES.values() for n in m.model_fields})), JSON))
def test_any_json_is_an_event_or_rejected(fields: dict[str, Any]) -> None:
    for event_type in EVENT_TYPES:
        line = json.dumps(fields | {"event_type": event_type}).encode()
        try:
            event = read_event(line, NOW, unknown_fields="forbid")
        except Rejected as rejection:
            assert rejection.field
        else:
            assert event.event_type == event_type


@given(st.binary(max_size=200))
def test_any_bytes_are_rejected_without_being_quoted(data: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        read_event(data, NOW, unknown_fields="forbid")
    assert caught.value.reason in {Reason.MALFORMED_JSON, Reason.NOT_UTF8, Reason.MISSING_FIELD}


def test_a_rejection_never_holds_a_value_of_the_payload() -> None:
    secret = "anna@example.com"  # noqa: S105 - stands for what must not leak
    for change in ({"event_type": secret}, {"position": secret}, {"action": secret}, {"currency": secret}):
        with pytest.raises(Rejected) as caught:
            read(CLICK | change)
        assert secret not in str(caught.value)


def test_plain_values_become_json_and_amounts_stay_exact() -> None:
    line = write_fields({"unit_price": Decimal("0.10"), "occurred_at": NOW})
    assert json.loads(line) == {"unit_price": "0.10", "occurred_at": "2026-11-20T12:00:00+00:00"}
    with pytest.raises(Rejected, match="wrong_type"):
        write_fields({"query": object()})
