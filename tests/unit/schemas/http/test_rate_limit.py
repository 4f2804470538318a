"""The token bucket, against a clock that the test moves."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from shopstream.schemas.http.rate_limit import Allowance, RateLimits
from tests.unit.capture.conftest import Clock


def test_a_burst_is_granted_and_then_the_rate() -> None:
    clock = Clock()
    limits = RateLimits("events", 2.0, 10, clock)
    assert [limits.take("web", 1).granted for _ in range(12)] == [True] * 10 + [False] * 2
    clock.seconds += 0.5
    assert [limits.take("web", 1).granted for _ in range(2)] == [True, False]


def test_a_refusal_says_when_to_come_again_and_takes_nothing() -> None:
    clock = Clock()
    limits = RateLimits("events", 2.0, 10, clock)
    assert limits.take("web", 7) == Allowance(granted=True, left=3, retry_seconds=0, full_seconds=4)
    assert limits.take("web", 6) == Allowance(granted=False, left=3, retry_seconds=2, full_seconds=4)
    clock.seconds += 2
    assert limits.take("web", 6).granted


def test_each_key_has_a_bucket_of_its_own() -> None:
    limits = RateLimits("events", 1.0, 1, Clock())
    assert limits.take("web", 1).granted
    assert limits.take("app", 1).granted
    assert not limits.take("web", 1).granted


def test_the_headers_name_the_burst_and_its_seconds_and_what_is_left() -> None:
    limits = RateLimits("events", 500.0, 5000, Clock())
    assert limits.headers(limits.take("web", 1000)) == {
        "RateLimit-Policy": '"events";q=5000;w=10',
        "RateLimit": '"events";r=4000;t=2',
    }


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 64)), max_size=60))
def test_never_more_than_the_burst_and_the_rate_is_granted(steps: list[tuple[int, int]]) -> None:
    clock = Clock()
    limits = RateLimits("events", 4.0, 16, clock)
    began = clock.seconds
    granted = 0
    for events, sixteenths in steps:
        granted += events if limits.take("web", events).granted else 0
        assert granted <= 16 + 4 * Fraction(clock.seconds - began)
        clock.seconds += sixteenths / 16
