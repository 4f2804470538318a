"""Bodies: what is read as events, and how each thing that is none is refused."""

import gzip
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.capture.collector.body import DEEPEST, events_in, inflate, media_type
from shopstream.schemas import Rejected
from shopstream.schemas.http.answers import Refusal

MOST = 1_000_000
JSON, NDJSON = "application/json", "application/x-ndjson"


def code_of(body: bytes, kind: str = JSON, most: int = 10) -> tuple[int, str]:
    with pytest.raises(Refusal) as refused:
        events_in(body, kind, most)
    return refused.value.status, refused.value.code


UNREADABLE = {
    "empty": (b"", (400, "empty_body")),
    "blank": (b" \r\n\t ", (400, "empty_body")),
    "empty batch": (b"[]", (400, "empty_batch")),
    "cut short": (b'{"a":', (400, "malformed_json")),
    "two values": (b"{}{}", (400, "malformed_json")),
    "no object": (b'"search"', (400, "malformed_json")),
    "nothing": (b"null", (400, "malformed_json")),
    "NaN": (b'{"a":NaN}', (400, "malformed_json")),
    "infinity": (b'{"a":-Infinity}', (400, "malformed_json")),
    "a number beyond all": (b'{"a":1e999}', (400, "malformed_json")),
    "a number of 5,000 digits": (b'{"a":%s}' % (b"9" * 5000), (400, "malformed_json")),
    "a lone surrogate": (b'{"a":"\\ud800"}', (400, "malformed_json")),
    "a name twice": (b'{"a":1,"a":2}', (400, "malformed_json")),
    "a name twice, inside, escaped": (b'[{"b":[{"a":1,"\\u0061":2}]}]', (400, "malformed_json")),
    "invalid UTF-8": (b'{"a":"\xff"}', (400, "not_utf8")),
    "an encoded surrogate": (b'{"a":"\xed\xa0\x80"}', (400, "not_utf8")),
    "UTF-16": ('{"a":1}'.encode("utf-16-le"), (400, "malformed_json")),
    "a byte order mark": (b"\xef\xbb\xbf{}", (400, "malformed_json")),
    "too deep": (b'{"a":' + b"[" * 33 + b"]" * 33 + b"}", (400, "malformed_json")),
    "deeper than any stack": (b"[" * 100_000, (400, "malformed_json")),
    "deep but closed": (b"[" * 1000 + b"]" * 1000, (400, "malformed_json")),
    "too many": (b"[" + b"{}," * 10 + b"{}]", (413, "too_many_events")),
}


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused_by_name(body: str) -> None:
    assert code_of(UNREADABLE[body][0]) == UNREADABLE[body][1]


@pytest.mark.parametrize(
    ("body", "answer"),
    [(b"", (400, "empty_batch")), (b"\n \n", (400, "empty_batch")), (b"{}\n" * 11, (413, "too_many_events"))],
)
def test_lines_that_are_none_or_too_many_are_refused(body: bytes, answer: tuple[int, str]) -> None:
    assert code_of(body, NDJSON) == answer


def test_a_wrong_line_fails_alone() -> None:
    one, cut, number, other = events_in(b'{"a":1}\r\n\n{"a"\n7\n{"b":2}', NDJSON, 10)
    assert (one, other) == ({"a": 1}, {"b": 2})
    assert isinstance(cut, Rejected)
    assert isinstance(number, Rejected)


def test_an_element_that_is_no_object_fails_alone() -> None:
    wrong, right = events_in(b'[7,{"a":1}]', JSON, 10)
    assert isinstance(wrong, Rejected)
    assert right == {"a": 1}


def test_the_deepest_that_is_taken_is_taken() -> None:
    body = b'{"a":' + b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1) + b"}"
    assert len(events_in(body, JSON, 10)) == 1


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_what_python_writes_is_read_as_the_same(value: object) -> None:
    assert events_in(json.dumps({"value": value}).encode(), JSON, 10) == [{"value": value}]


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_a_refusal(body: bytes) -> None:
    for kind in (JSON, NDJSON):
        try:
            events = events_in(body, kind, 10)
        except Refusal as refusal:
            assert refusal.status in {400, 413}
        else:
            assert all(isinstance(event, Rejected | dict) for event in events)


def test_gzip_is_inflated() -> None:
    body = orjson.dumps({"a": "b" * 1000})
    assert inflate(gzip.compress(body, mtime=0), "gzip", MOST) == body
    assert inflate(body, "", MOST) == inflate(body, "identity", MOST) == body


def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b" " * 50_000_000, mtime=0)
    assert len(bomb) < MOST / 10
    with pytest.raises(Refusal) as refused:
        inflate(bomb, "gzip", MOST)
    assert (refused.value.status, refused.value.code) == (413, "body_too_large")


def test_exactly_what_is_allowed_is_inflated() -> None:
    assert len(inflate(gzip.compress(b" " * MOST, mtime=0), "gzip", MOST)) == MOST
    with pytest.raises(Refusal):
        inflate(gzip.compress(b" " * (MOST + 1), mtime=0), "gzip", MOST)


WHOLE = gzip.compress(b"{}", mtime=0)


BROKEN = WHOLE[:10] + b"\xff\xff" + WHOLE[12:]


@pytest.mark.parametrize("body", [b"", b"{}", WHOLE[:-1], BROKEN, WHOLE + b"x", WHOLE * 2])
def test_what_is_not_one_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        inflate(body, "gzip", MOST)
    assert (refused.value.status, refused.value.code) == (400, "malformed_gzip")


@given(st.binary(max_size=100))
def test_any_bytes_inflate_or_are_refused(body: bytes) -> None:
    try:
        inflate(body, "gzip", MOST)
    except Refusal as refusal:
        assert refusal.status == 400


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", JSON),
        ("application/json", JSON),
        ("Application/JSON; charset=UTF-8", JSON),
        ('text/plain;charset="utf-8"', "text/plain"),
        ("application/x-ndjson; profile=a", NDJSON),
    ],
)
def test_the_content_type_says_how_to_read(header: str, expected: str) -> None:
    assert media_type(header) == expected


@pytest.mark.parametrize(
    "header", ["text/html", "application/x-www-form-urlencoded", "application/json; charset=latin1", "x"]
)
def test_another_content_type_is_refused(header: str) -> None:
    with pytest.raises(Refusal) as refused:
        media_type(header)
    assert refused.value.status == 415


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate"])
def test_another_encoding_is_refused_and_told_which_is_taken(encoding: str) -> None:
    with pytest.raises(Refusal) as refused:
        inflate(b"{}", encoding, MOST)
    assert (refused.value.status, refused.value.headers) == (415, {"Accept-Encoding": "gzip"})
