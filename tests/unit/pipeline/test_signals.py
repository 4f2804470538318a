"""Rows by the second, as a quota counts them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shopstream.pipeline.signals import RowRate

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_a_second_is_told_of_when_the_next_has_begun() -> None:
    rate = RowRate()
    told = [rate.add(rows, NOW + timedelta(seconds=at)) for rows, at in [(500, 0), (300, 0.9), (7, 1.0), (1, 60)]]
    assert told == [None, None, 800, 7]


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 2)), max_size=50))
def test_no_row_is_counted_twice_or_left_out(stored: list[tuple[int, float]]) -> None:
    rate, now, told = RowRate(), NOW, 0
    for rows, wait in stored:
        now += timedelta(seconds=wait)
        told += rate.add(rows, now) or 0
    assert told + (rate.add(0, now + timedelta(seconds=1)) or 0) == sum(rows for rows, _ in stored)
