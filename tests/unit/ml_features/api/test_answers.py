"""Pages and fields: a cursor is of one list, and a field is one there is."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.ml_features.api.answers import chosen_fields, cursor_of, position_in
from shopstream.schemas.http.answers import Refusal

SCOPE = ("reorders", "u-1", "v1", date(2026, 11, 20))


@given(st.integers(0, 2**53))
def test_a_cursor_gives_back_its_position(position: int) -> None:
    assert position_in(cursor_of(SCOPE, position), SCOPE, int) == position


def test_without_a_cursor_a_list_begins_at_its_beginning() -> None:
    assert position_in(None, SCOPE, int) is None


@pytest.mark.parametrize("other", [("reorders", "u-2", "v1", date(2026, 11, 20)), (*SCOPE[:3], date(2026, 11, 21))])
def test_a_cursor_of_another_list_or_an_older_one_is_refused(other: tuple[object, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        position_in(cursor_of(SCOPE, 5), other, int)
    assert (refused.value.status, refused.value.code) == (400, "invalid_cursor")


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_whatever_is_no_cursor_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(Refusal):
        position_in(text, SCOPE, int)


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_cursor_that_was_tampered_with_is_refused_or_is_a_position(place: int, byte: int) -> None:
    cursor = bytearray(cursor_of(SCOPE, 5).encode())
    cursor[place % len(cursor)] = byte
    with suppress(Refusal):
        assert isinstance(position_in(cursor.decode("latin-1"), SCOPE, int), int)


def test_fields_are_those_asked_for_once_each_in_their_order() -> None:
    assert chosen_fields(None, {"a", "b", "c"}, ["a", "b"]) == ["a", "b"]
    assert chosen_fields("c,a,c", {"a", "b", "c"}, ["a", "b"]) == ["c", "a"]


@pytest.mark.parametrize("asked", ["d", "a,d", "", "a,", " a", "a" * 10_000])
def test_a_field_that_is_none_is_refused_with_those_there_are(asked: str) -> None:
    with pytest.raises(Refusal) as refused:
        chosen_fields(asked, {"a", "b"}, ["a"])
    assert refused.value.status == 422
    assert refused.value.details["fields"] == ["a", "b"]
