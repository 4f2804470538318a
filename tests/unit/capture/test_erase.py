"""A user is taken out of the spool where the lines stand; everything else stays as it was, byte for byte."""

import base64
import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.capture.backends.local_file import LocalFile
from shopstream.capture.erase import emptied, erase_from_spool
from shopstream.capture.spool_format import Damaged, Record, complete_lines, encode_numbered, parse
from shopstream.schemas.erasure import is_about
from shopstream.schemas.identifiers import find_number

FOLDER = "20261120T120000-1-0a1b2c3d"


def event(user: str | None, number: int, query: str = "milk") -> bytes:
    fields = {
        "event_id": f"0190a1b2-c3d4-7e5f-8a6b-{number:012x}",
        "event_type": "search",
        "user_id": user,
        "query": query,
    }
    return orjson.dumps(fields)


def failed(payload: bytes, number: int) -> bytes:
    fields = {
        "event_id": f"0190a1b2-c3d4-7e5f-8a6b-{number:012x}",
        "stage": "capture",
        "failed_at": "2026-11-20T12:00:00Z",
        "payload": base64.b64encode(payload).decode(),
        "user_id": None,
    }
    return orjson.dumps(fields)


def spool(path: Path, *lines: bytes) -> Path:
    folder = path / FOLDER
    folder.mkdir(parents=True)
    segment = folder / "00000001.segment"
    segment.write_bytes(b"".join(lines))
    return segment


def numbered(document: bytes, number: int, event_type: str = "search") -> bytes:
    return encode_numbered(event_type, document, b"w", number)


def test_only_the_users_lines_change_and_nothing_moves(tmp_path: Path) -> None:
    hers = [
        numbered(event("u-1", 1, "their words"), 1),
        numbered(failed(b'{"who":"u-1","q":"their words"}', 3), 3, "failed_event"),
    ]
    others = [numbered(event("u-10", 2), 2), numbered(event(None, 4), 4)]
    segment = spool(tmp_path, hers[0], others[0], hers[1], others[1])
    size = segment.stat().st_size
    assert erase_from_spool(tmp_path, "u-1") == (2, 0)
    assert segment.stat().st_size == size
    content = segment.read_bytes()
    assert b"their words" not in content
    lines, end = complete_lines(content)
    assert end == size
    assert (lines[1] + b"\n", lines[3] + b"\n") == tuple(others)
    for line, number in ((lines[0], 1), (lines[2], 3)):
        (record,) = parse(line)
        assert isinstance(record, Record)
        assert orjson.loads(record.document)["erased"] is True
        assert find_number(record.document) == ("w", number)
    assert erase_from_spool(tmp_path, "u-1") == (0, 0)


def test_damaged_lines_and_a_dead_writers_torn_one_are_written_over(tmp_path: Path) -> None:
    damaged = b"zzz" + numbered(event("u-1", 1), 1)[3:]
    torn = numbered(event("u-1", 2, "x" * 50), 2)[:-20]
    segment = spool(tmp_path, damaged, numbered(event("u-2", 3), 3), torn)
    assert erase_from_spool(tmp_path, "u-1") == (2, 0)
    lines = segment.read_bytes().split(b"\n")
    assert set(lines[0]) == set(lines[2]) == {ord("x")}
    assert [type(part) for part in parse(lines[0])] == [Damaged]
    assert isinstance(parse(lines[1])[0], Record)


def test_no_spool_is_nothing_found(tmp_path: Path) -> None:
    assert erase_from_spool(tmp_path / "none", "u-1") == (0, 0)


def test_local_files_lose_the_user_and_keep_their_lines(tmp_path: Path) -> None:
    folder = tmp_path / "search" / "date=2026-11-20"
    folder.mkdir(parents=True)
    file = folder / "events.ndjson"
    file.write_bytes(event("u-1", 1, "their words") + b"\n" + event("u-2", 2) + b"\n")
    assert LocalFile(tmp_path).erase("u-1") == (1, 0)
    first, second = file.read_bytes().splitlines()
    assert b"their words" not in first
    assert json.loads(first)["event_id"].endswith("1")
    assert second == event("u-2", 2)


@pytest.mark.parametrize("user", ["u-1", 'o"brien', "back\\slash", "ü", "\U0001f600"])
def test_a_user_is_recognised_however_json_writes_the_id(user: str) -> None:
    for escaped in (True, False):
        assert is_about(json.dumps({"user_id": user}, ensure_ascii=escaped).encode(), {user: ()})
        assert is_about(json.dumps({"who": user}, ensure_ascii=escaped).encode()[:-1], {user: ()}), (
            "no JSON, so every text counts"
        )
    assert not is_about(json.dumps({"user_id": user + "0", "product_id": user}).encode(), {user: ()})


@given(st.text(max_size=300), st.text(min_size=1, max_size=256), st.integers(1, 10**12))
def test_what_is_emptied_is_as_long_and_says_nothing(query: str, user: str, number: int) -> None:
    line = numbered(event(user, 1, query), number)
    (record,) = parse(line.removesuffix(b"\n"))
    assert isinstance(record, Record)
    empty = emptied(record.document)
    assert len(empty) == len(record.document)
    assert set(orjson.loads(empty)) == {"event_id", "event_type", "erased", "writer_id", "sequence"}
    assert find_number(empty) == ("w", number)


def test_what_has_no_room_is_emptied_whole_and_reaches_nobody_else() -> None:
    assert emptied(b'{"user_id":1}') == b"{}           "


def test_an_unsigned_event_is_of_the_user_whose_session_it_names() -> None:
    unsigned = b'{"user_id":null,"session_id":"s"}'
    assert is_about(unsigned, {"u": ["s"]})
    assert not is_about(unsigned, {"u": ()})
    assert not is_about(b'{"user_id":["u"]}', {"u": ()})
    assert not is_about(b'{"user_id":"v","session_id":"s"}', {"u": ["s"]}), "signed by somebody else"
