"""What arrives is read the quick way or by its model, and nobody can tell which."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopstream.schemas import EVENT_TYPES, Reason, Rejected, read_event
from shopstream.schemas.arrived import read_again, read_arrived
from shopstream.schemas.structs import WHOLE_STRUCTS
from tests.unit.schemas.test_structs import ENVELOPE, ODD, WHOLE, changed, places

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RAW = ["1.0", "1e0", "1E2", "-0", "-0.0", "1e400", "NaN", "12345678901234567890", '"\\ud800"', '"\\u00fc"', '"\\u0000"']


def fields_of(event_type: str) -> dict[str, Any]:
    return copy.deepcopy({**ENVELOPE, "event_type": event_type, **WHOLE[event_type]})


def line_of(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, default=str).encode()


def read(line: bytes) -> dict[str, Any] | Reason:
    """The event as plain values, or why not."""
    try:
        event, unknown = read_arrived(line, NOW)
    except Rejected as rejection:
        return rejection.reason
    assert unknown is None
    return comparable(msgspec.to_builtins(event))


def read_by_model(line: bytes) -> dict[str, Any] | Reason:
    try:
        return comparable(read_event(line, NOW, unknown_fields="forbid").model_dump(mode="json"))
    except Rejected as rejection:
        return rejection.reason


def digits(number: Decimal) -> Any:
    """Its digits, of any number of zeros the same; NaN equals itself."""
    return (number or abs(number)).normalize().as_tuple()


def comparable(value: Any) -> Any:
    """Values as equal where they mean the same: `1.10` and `1.1`, two forms of one moment."""
    if isinstance(value, dict):
        return {name: comparable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [comparable(each) for each in value]
    if isinstance(value, bool) or value is None:
        return value
    try:
        return datetime.fromisoformat(str(value)) if "T" in str(value) else digits(Decimal(str(value)))
    except (ValueError, InvalidOperation):
        return value


@pytest.mark.parametrize("event_type", WHOLE)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_it_reads_as_its_model_reads_it(event_type: str, data: st.DataObject) -> None:
    fields = fields_of(event_type)
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.sampled_from([each for each in places(fields) if each and each != ("event_type",)]))
        odd = data.draw(ODD | st.sampled_from(RAW).map(lambda raw: f"<<{raw}>>"))
        fields = changed(fields, place, odd)
    line = line_of(fields)
    for raw in RAW:
        line = line.replace(json.dumps(f"<<{raw}>>").encode(), raw.encode())
    expected = read_by_model(line)
    if expected is not Reason.UNKNOWN_FIELD:
        assert read(line) == expected
        if not isinstance(expected, Reason):
            assert comparable(msgspec.to_builtins(read_again(line, NOW)[0])) == expected


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_bytes_of_any_kind_are_a_rejection(line: bytes) -> None:
    assert read(line) == read_by_model(line)


@pytest.mark.parametrize("event_type", WHOLE)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_bytes_that_are_not_utf8_are_never_taken(event_type: str, data: st.DataObject) -> None:
    line = line_of(fields_of(event_type))
    place = data.draw(st.integers(0, len(line)))
    assert isinstance(read(line[:place] + b"\xff" + line[place:]), Reason)


@pytest.mark.parametrize("event_type", WHOLE)
def test_every_field_of_a_row_is_written(event_type: str) -> None:
    event, _ = read_arrived(line_of(fields_of(event_type)), NOW)
    document = orjson.loads(msgspec.json.encode(event))
    assert set(document) == set(EVENT_TYPES[event_type].model_fields)
    assert document["imported"] is False


def test_what_the_contract_does_not_know_is_set_aside_by_its_path() -> None:
    fields = fields_of("search") | {"colour": "red"}
    fields["results"][0]["shelf"] = {"row": 2}
    event, unknown = read_arrived(line_of(fields), NOW)
    assert unknown == {"colour": "red", "results.0.shelf": {"row": 2}}
    assert event == read_arrived(line_of(fields_of("search")), NOW)[0]
    assert read_again(line_of(fields), NOW) == (event, unknown)


def test_times_are_brought_to_utc() -> None:
    event, _ = read_arrived(line_of(fields_of("consent") | {"occurred_at": "2026-11-20T14:00:00+02:00"}), NOW)
    assert msgspec.to_builtins(event)["occurred_at"] == "2026-11-20T12:00:00Z"


@pytest.mark.parametrize("written", ["1E+2", "1e2", "100", 100])
def test_an_amount_is_written_in_plain_digits(written: str | int) -> None:
    event: Any = read_arrived(line_of(fields_of("interaction") | {"unit_price": written}), NOW)[0]
    assert str(event.unit_price) == "100"


def test_a_foreign_publishers_text_is_scrubbed() -> None:
    search: Any = read_arrived(line_of(fields_of("search") | {"query": "mail anna@example.com"}), NOW)[0]
    assert search.query == "mail [email]"
    voice = fields_of("voice")
    voice["turns"] = [{"role": "user", "text": "anna at example dot com", "offset_ms": 0}]
    spoken: Any = read_arrived(line_of(voice), NOW)[0]
    assert spoken.turns[0].text == "[email]"


def test_there_is_a_struct_for_every_event_type() -> None:
    assert set(WHOLE_STRUCTS) == set(EVENT_TYPES)
