"""What is told of counts: rounded, never of too few, and with noise of the stated size."""

from collections import Counter
from datetime import date, timedelta
from math import exp, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.ml_features.anonymise import MOST_SEARCHES, laplace_noise, told_queries
from shopstream.ml_features.parameters import last_window_end, window_ending
from shopstream.ml_features.settings import FeatureSettings
from shopstream.schemas import SettingsError, read_settings
from shopstream.schemas.features import Query

AS_OF = date(2026, 3, 31)
COUNTS = ("clicked", "carted", "ordered", "without_results", "abandoned", "searches")


def settings(**variables: str) -> FeatureSettings:
    return read_settings(FeatureSettings, {"GOOGLE_CLOUD_PROJECT": "shopstream-local", **variables})


def row(users: int, **counts: int) -> dict[str, Any]:
    return {
        "window_days": 28,
        "query": "milk",
        "intent": "product",
        "users": users,
        **dict.fromkeys(COUNTS, 0),
        **counts,
    }


def test_counts_are_rounded_to_the_nearest_multiple() -> None:
    (told,) = told_queries([row(24, clicked=5, carted=4, searches=1234)], AS_OF, settings())
    assert (told.users, told.clicked, told.carted, told.searches) == (20, 10, 0, 1230)


def test_a_group_that_should_not_be_there_stops_everything() -> None:
    with pytest.raises(ValueError, match="1 groups have fewer than 20 users; none is told"):
        told_queries([row(20), row(19)], AS_OF, settings())


def test_noise_has_the_scale_of_what_one_user_can_add() -> None:
    asked: list[tuple[int, float]] = []

    def noise(exact: int, scale: float) -> int:
        asked.append((exact, scale))
        return -7

    (told,) = told_queries([row(50, searches=90)], AS_OF, settings(AGGREGATES_EPSILON="0.5"), noise)
    assert set(asked) == {(50, 2.0), (0, 2.0), (90, MOST_SEARCHES / 0.5)}
    assert told.users == 0, "noise may go below, a count may not"


def test_without_epsilon_there_is_no_noise() -> None:
    assert told_queries([row(50)], AS_OF, settings()) == told_queries([row(50)], AS_OF, settings())


def test_the_noise_is_laplace_and_hides_one_user() -> None:
    """Over many draws no answer is much more likely with a user than without: at most exp(epsilon) times."""
    epsilon, draws = 1.0, 4_000
    without, with_one = (Counter(laplace_noise(exact, 1 / epsilon) for _ in range(draws)) for exact in (20, 21))
    common = [answer for answer in without if min(without[answer], with_one[answer]) >= 100]
    assert len(common) >= 4
    for answer in common:
        assert abs(log(with_one[answer] / without[answer])) < epsilon + 0.5
    # Of discrete Laplace noise with this scale the share of exact answers is (1 - a) / (1 + a), a = exp(-epsilon).
    share = (1 - exp(-epsilon)) / (1 + exp(-epsilon))
    assert abs(without[20] / draws - share) < 0.06


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AGGREGATES_MINIMUM_USERS", "0"), ("AGGREGATES_MINIMUM_USERS", "1"), ("AGGREGATES_ROUNDING", "0"),
     ("AGGREGATES_WINDOW_DAYS", "0"), ("AGGREGATES_EPSILON", "0"), ("CONSENT_OTHERWISE", "maybe")],
)  # fmt: skip
def test_a_setting_that_would_tell_of_single_people_is_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} has a value it does not accept"):
        settings(**{variable: value})


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(1, 90))
def test_every_day_is_in_exactly_one_window(day: date, window_days: int) -> None:
    ends = [end for end in (day + timedelta(days=n) for n in range(window_days)) if window_ending(end, window_days)]
    assert len(ends) == 1
    start = window_ending(ends[0], window_days)
    assert start is not None
    assert start <= day <= ends[0]
    assert (ends[0] - start).days + 1 == window_days
    assert last_window_end(day, window_days) in (ends[0], start - timedelta(days=1))


def test_a_window_of_seven_days_is_a_week_from_monday_to_sunday() -> None:
    sunday = date(2026, 3, 29)
    assert window_ending(sunday, 7) == date(2026, 3, 23)
    assert window_ending(AS_OF, 7) is None


def test_every_count_of_the_row_is_told_through_the_same_door() -> None:
    (told,) = told_queries([row(20)], AS_OF, settings())
    counted = {name for name, field in Query.model_fields.items() if field.annotation is int} - {"window_days"}
    assert counted == {"users", *COUNTS}
    assert all(getattr(told, name) % 10 == 0 for name in counted)
