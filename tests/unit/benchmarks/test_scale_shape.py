"""The arithmetic of an open load: what is due when, what followed, where the knee is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale.shape import (
    Step,
    Stored,
    bottleneck,
    capacity,
    expected_lag_growth,
    is_over,
    knee,
    quantile,
    rising,
    step_of,
    ticks,
)

SECONDS = 10.0


def served(offered: float, most: float, lag: float = 0.0) -> list[Stored]:
    """What a server stores that takes so many a second, one tick after the other."""
    free, stored = 0.0, []
    for tick in ticks(offered, SECONDS):
        free = max(free, tick.due) + tick.events / most
        stored.append(Stored(free + lag, tick.due, tick.events))
    return stored


def step(offered: float, most: float) -> Step:
    return step_of(offered, SECONDS, served(offered, most), {})


@given(st.floats(0.5, 50_000), st.floats(0.1, 20))
def test_a_plan_has_as_many_events_as_the_rate_makes_and_none_before_its_time(rate: float, seconds: float) -> None:
    plan = list(ticks(rate, seconds))
    so_far = 0
    for tick in plan:
        assert tick.events > 0
        so_far += tick.events
        assert so_far <= rate * (tick.due + 0.1) + 1
    assert abs(so_far - rate * round(seconds * 10) / 10) <= 1


def test_rates_rise_by_a_factor_up_to_the_most() -> None:
    assert list(rising(500, 2, 4_000)) == [500, 1_000, 2_000, 4_000]


def test_below_the_knee_what_is_stored_is_what_is_offered() -> None:
    found = step(1_000, 5_000)
    assert found.stored == pytest.approx(1_000, rel=0.02)
    assert found.lag_p99 < 0.05
    assert found.backlog < 100
    assert found.keeps_up


def test_beyond_it_lag_grows_as_the_arithmetic_says() -> None:
    found = step(8_000, 5_000)
    assert found.stored == pytest.approx(5_000, rel=0.01)
    assert found.lag_growth == pytest.approx(expected_lag_growth(8_000, 5_000), rel=0.01)
    assert found.backlog == pytest.approx(30_000, rel=0.03)
    assert not found.keeps_up


def test_lag_counts_from_when_an_event_was_due() -> None:
    held_up = [Stored(each.at + 2.0, each.due, each.events) for each in served(1_000, 5_000)]
    found = step_of(1_000, SECONDS, held_up, {})
    assert found.lag_p50 == pytest.approx(2.0, abs=0.05)
    assert found.backlog == pytest.approx(2_000, abs=100)
    assert found.keeps_up, "a steady lag is no overload"


def test_the_knee_is_the_highest_step_that_was_kept_up_with() -> None:
    steps = [step(rate, 5_000) for rate in (1_000, 2_000, 4_000, 8_000, 16_000)]
    assert knee(steps) is steps[2]
    assert capacity(steps) == pytest.approx(5_000, rel=0.01)
    assert knee(steps[3:]) is None
    assert capacity(steps[:2]) == pytest.approx(2_000, rel=0.02)


def test_a_series_is_over_where_steps_in_a_row_were_too_much() -> None:
    steps = [step(rate, most) for rate, most in ((1_000, 5_000), (2_000, 1_000), (4_000, 5_000), (8_000, 5_000))]
    assert [each.keeps_up for each in steps] == [True, False, True, False]
    assert not is_over(steps, 2), "a hiccup in between"
    assert is_over([*steps, step(16_000, 5_000)], 2)
    assert knee(steps) is steps[2]


def test_a_quantile_counts_events_and_not_ticks() -> None:
    assert quantile([(5.0, 1), (1.0, 98), (3.0, 1)], 0.5) == 1.0
    assert quantile([(5.0, 1), (1.0, 98), (3.0, 1)], 0.99) == 5.0


def test_who_is_busy_has_a_name() -> None:
    assert bottleneck({"job": 0.95, "bigquery": 0.2}, 8) == "the job"
    assert bottleneck({"job": 0.3, "bigquery": 0.2}, 8) == "none"
    assert bottleneck({"job": 0.5, "bigquery": 0.4, "pubsub": 0.0}, 8) == "the job and the bigquery in turns"
    assert bottleneck({"job": 0.9, "bigquery": 1.0}, 2) == "all 2 cores, most of them the bigquery"
