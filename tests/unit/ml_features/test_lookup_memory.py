"""What a reader remembers: what was read last, and never more than it may."""

from datetime import UTC, date, datetime

import pytest

from shopstream.ml_features.serving.lookup import _Memory, _Remembered

AT = datetime(2026, 11, 20, tzinfo=UTC)


def remembered(read_at: float) -> _Remembered:
    return _Remembered(rows=(), as_of=date(2026, 11, 20), version=None, source="redis", since=AT, read_at=read_at)


@pytest.mark.parametrize("at_once", [1, 3, 10, 1000])
def test_the_latest_half_at_least_is_there_and_never_more_than_all(at_once: int) -> None:
    memory = _Memory(20)
    keys = [f"u{number}" for number in range(1000)]
    for begin in range(0, 1000, at_once):
        memory.keep("profiles", {key: remembered(1.0) for key in keys[begin : begin + at_once]})
        there = memory.recall("profiles", keys, 0.0)
        assert len(there) <= 20
        if at_once <= 10:
            assert set(keys[: begin + at_once][-10:]) <= set(there)


def test_what_is_read_again_is_the_later_one_and_views_are_apart() -> None:
    memory = _Memory(10)
    memory.keep("profiles", {"u1": remembered(1.0)})
    memory.keep("profiles", {"u1": remembered(2.0)})
    assert memory.recall("profiles", ["u1"], 1.5)["u1"].read_at == 2.0
    assert memory.recall("profiles", ["u1"], 2.0) == {}
    assert memory.recall("reorders", ["u1"], 0.0) == {}


def test_without_room_nothing_is_remembered() -> None:
    memory = _Memory(0)
    memory.keep("profiles", {"u1": remembered(1.0)})
    assert memory.recall("profiles", ["u1"], 0.0) == {}
