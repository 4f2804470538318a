"""Lifts and their intervals: rates of false alarms and of lifts found, by simulation."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.ml_features.experiments.statistics import (
    SAMPLE_RATIO_ALPHA,
    Group,
    Interval,
    Lift,
    lift,
    sample_ratio_chance,
    sequential_width,
    users_needed,
    users_needed_sequentially,
)

RUNS, LOOKED_AT_ONCE = 1000, 20_000
DAYS = 28


def simulated(random: np.random.Generator, users: int, baseline: float, lifted: float) -> list[Lift]:
    """One experiment looked at after each of its days."""
    variant = random.random(users) < 0.5
    success = random.random(users) < np.where(variant, lifted, baseline)
    looks = np.linspace(users // DAYS, users, DAYS).astype(int)
    of_variant, of_control = np.cumsum(variant & success), np.cumsum(~variant & success)
    in_variant = np.cumsum(variant)
    return [
        lift(
            Group(look - int(in_variant[look - 1]), int(of_control[look - 1])),
            Group(int(in_variant[look - 1]), int(of_variant[look - 1])),
            control_share=0.5,
            planned_users=users,
        )
        for look in looks
    ]


def found_at_once(users: int, baseline: float, lifted: float, seed: int) -> float:
    """How often a difference is found by the one look at the end."""
    random = np.random.default_rng(seed)
    variant = random.binomial(users, 0.5, LOOKED_AT_ONCE)
    of_variant, of_control = random.binomial(variant, lifted), random.binomial(users - variant, baseline)
    every = zip(variant.tolist(), of_variant.tolist(), of_control.tolist(), strict=True)
    looks = (
        lift(Group(users - count, lost), Group(count, won), control_share=0.5, planned_users=users)
        for count, won, lost in every
    )
    return sum(look.fixed.excludes_zero for look in looks) / LOOKED_AT_ONCE


def rates(users: int, baseline: float, lifted: float, seed: int) -> dict[str, float]:
    """How often any look finds a difference, by the fixed and by the sequential interval."""
    random = np.random.default_rng(seed)
    every = [simulated(random, users, baseline, lifted) for _ in range(RUNS)]
    return {
        "peeking": sum(any(look.fixed.excludes_zero for look in looks) for looks in every) / RUNS,
        "sequential": sum(any(look.sequential.excludes_zero for look in looks) for looks in every) / RUNS,
    }


@pytest.fixture(scope="module")
def alike() -> dict[str, float]:
    return rates(20_000, 0.1, 0.1, seed=1)


def test_of_experiments_without_a_difference_one_in_twenty_finds_one_when_looked_at_once() -> None:
    assert found_at_once(20_000, 0.1, 0.1, seed=1) == pytest.approx(0.05, abs=0.005)


def test_looking_every_day_raises_no_false_alarms_with_the_sequential_interval(alike: dict[str, float]) -> None:
    assert alike["sequential"] <= 0.05
    assert alike["peeking"] > 0.2  # which is what it is there for


def test_a_lift_is_found_as_often_as_the_calculator_says() -> None:
    users = 2 * users_needed(0.1, 0.1, power=0.8)
    assert found_at_once(users, 0.1, 0.11, seed=2) == pytest.approx(0.8, abs=0.01)


def test_a_lift_is_found_sequentially_at_least_as_often_as_the_calculator_says() -> None:
    users = 2 * users_needed_sequentially(0.1, 0.1, power=0.8)
    assert 0.78 <= rates(users, 0.1, 0.11, seed=3)["sequential"] <= 0.9


def test_users_needed_are_those_of_the_textbook() -> None:
    # Fleiss, Levin, Paik, table A.4: shares .05 and .10, power .8, two-sided .05; 435 without the correction.
    assert users_needed(0.05, 1.0) == 435
    assert users_needed(0.1, 0.1) == 14_751


@pytest.mark.parametrize(("baseline", "relative"), [(0.0, 0.1), (1.0, 0.1), (0.6, 1.0), (0.5, -1.0)])
def test_shares_outside_0_to_1_are_refused(baseline: float, relative: float) -> None:
    with pytest.raises(ValueError, match="shares must lie between 0 and 1"):
        users_needed(baseline, relative)


def test_no_number_of_users_finds_no_lift() -> None:
    with pytest.raises(ValueError, match="no number of users finds a lift of 0"):
        users_needed(0.1, 0.0)


@given(st.integers(100, 10**6))
def test_the_sequential_interval_is_narrowest_where_it_is_planned(planned: int) -> None:
    def beyond_fixed(users: int) -> float:
        return sequential_width(users, planned) * users**0.5

    assert beyond_fixed(planned) <= beyond_fixed(planned // 2)
    assert beyond_fixed(planned) <= beyond_fixed(planned * 2)


def test_without_users_nothing_is_known() -> None:
    found = lift(Group(0, 0), Group(10, 5), control_share=0.5, planned_users=1000)
    assert found.sequential == found.fixed == Interval(-inf, inf)
    assert not found.sequential.excludes_zero


def test_without_successes_of_the_control_there_is_no_relative_lift() -> None:
    found = lift(Group(100, 0), Group(100, 5), control_share=0.5, planned_users=1000)
    assert found.relative is None
    assert found.difference == 0.05


def test_groups_that_are_not_dealt_out_as_planned_are_told() -> None:
    shares = {"a": 0.5, "b": 0.5}
    assert sample_ratio_chance({"a": 5000, "b": 5060}, shares) > 0.5
    assert sample_ratio_chance({"a": 5000, "b": 5400}, shares) < SAMPLE_RATIO_ALPHA
    assert sample_ratio_chance({"a": 900, "b": 100}, {"a": 0.9, "b": 0.1}) == 1.0
    assert sample_ratio_chance({}, shares) == 1.0
