from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis.strategies import binary, data, from_regex, integers, lists, tuples

from shopstream.capture.spool_format import Damaged, Record, complete_lines, encode, parse, parse_intact

event_types = from_regex(r"[a-z_]{1,20}", fullmatch=True)
documents = binary(max_size=80)
records = lists(tuples(event_types, documents), max_size=6)

Written = list[tuple[str, bytes]]


def kept(event_type: str, document: bytes) -> Record:
    return Record(event_type, document.replace(b"\n", b" "))


def read(buffer: bytes) -> list[Record | Damaged]:
    return [piece for line in complete_lines(buffer)[0] for piece in parse(line)]


@given(records)
def test_what_was_written_is_read(written: Written) -> None:
    assert read(b"".join(encode(*each) for each in written)) == [kept(*each) for each in written]


@given(records, data())
def test_a_cut_costs_at_most_the_line_being_written(written: Written, choice: Any) -> None:
    lines = [encode(*each) for each in written]
    whole = b"".join(lines)
    cut = choice.draw(integers(0, len(whole)))
    survived, end = complete_lines(whole[:cut])
    assert survived == [line[:-1] for line in lines[: len(survived)]]
    assert b"\n" not in whole[end:cut]
    assert read(whole[:cut]) == [kept(*each) for each in written[: len(survived)]]


@given(records, data())
def test_a_changed_byte_costs_no_other_record(written: Written, choice: Any) -> None:
    assume(written)
    whole = bytearray(b"".join(encode(*each) for each in written))
    place = choice.draw(integers(0, len(whole) - 1))
    whole[place] ^= choice.draw(integers(1, 255))
    hit = bytes(whole[:place]).count(b"\n")
    expected = [kept(*each) for number, each in enumerate(written) if number != hit]
    found = [piece for piece in read(bytes(whole) + b"\n") if isinstance(piece, Record)]
    assert [record for record in found if record in expected] == expected or all(record in found for record in expected)


def test_two_records_run_together_are_both_found() -> None:
    joined = encode("search", b'{"a":1}')[:-1] + b"\x0b" + encode("order", b'{"b":2}')[:-1]
    assert parse(joined) == [Record("search", b'{"a":1}'), Record("order", b'{"b":2}')]


def test_a_torn_line_does_not_swallow_the_next() -> None:
    torn = encode("search", b'{"query":"red wine"}')[:20]
    assert parse(torn + encode("order", b"{}")[:-1]) == [Damaged(torn), Record("order", b"{}")]


@given(binary(max_size=200))
def test_any_bytes_are_a_record_or_damaged(line: bytes) -> None:
    for piece in parse(line.replace(b"\n", b"")):
        assert isinstance(piece, Record | Damaged)


@pytest.mark.parametrize("name", ["", "Search", "two words", "a\nb", "x" * 65])
def test_an_event_type_that_would_break_the_line_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="event_type"):
        encode(name, b"{}")


@given(records, data())
def test_many_lines_read_at_once_are_what_each_is_by_itself_or_left_to_that(written: Written, choice: Any) -> None:
    whole = bytearray(b"".join(encode(*each) for each in written))
    for _ in range(choice.draw(integers(0, 2)) if whole else 0):
        whole[choice.draw(integers(0, len(whole) - 1))] ^= choice.draw(integers(1, 255))
    lines = complete_lines(bytes(whole))[0]
    one_by_one = [parse(line) for line in lines]
    at_once = parse_intact(lines)
    if at_once is None:
        assert any(len(pieces) > 1 or isinstance(pieces[0], Damaged) for pieces in one_by_one)
    else:
        assert [[record] for record in at_once] == one_by_one
