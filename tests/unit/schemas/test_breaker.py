from random import Random

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import floats, integers

from shopstream.schemas.breaker import Breaker

FAILURES, FIRST, LONGEST = 3, 1.0, 8.0


def opened(failures: int = FAILURES, seed: int = 1) -> Breaker:
    breaker = Breaker(failures=failures, first_seconds=FIRST, longest_seconds=LONGEST, random=Random(seed))
    for _ in range(failures):
        assert breaker.may_try(0.0)
        breaker.failed(0.0)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_says_so_once() -> None:
    breaker = Breaker(failures=3, first_seconds=FIRST, longest_seconds=LONGEST, random=Random(1))
    breaker.failed(0.0)
    breaker.failed(0.0)
    breaker.succeeded()
    assert [breaker.failed(0.0) for _ in range(3)] == [False, False, True]
    assert breaker.state == "open"


def test_half_open_lets_one_call_through() -> None:
    breaker = opened()
    assert [breaker.may_try(LONGEST) for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert [breaker.may_try(LONGEST) for _ in range(3)] == [True, True, True]


def test_it_stays_open_longer_each_time_with_full_jitter_up_to_a_cap() -> None:
    longest = [0.0] * 6
    for seed in range(200):
        breaker = opened(seed=seed)
        for opening in range(6):
            wait = breaker.wait(0.0)
            longest[opening] = max(longest[opening], wait)
            assert 0 <= wait <= min(FIRST * 2**opening, LONGEST)
            breaker.hurry(0.0)
            assert breaker.may_try(0.0)
            assert breaker.failed(0.0)
    assert [round(each) for each in longest] == [1, 2, 4, 8, 8, 8]


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(failures=FAILURES, first_seconds=FIRST, longest_seconds=LONGEST, random=Random(3))
        self.moment = 0.0
        self.in_a_row = 0
        self.tried = False

    @rule(seconds=floats(0, 2 * LONGEST))
    def time_passes(self, seconds: float) -> None:
        self.moment += seconds

    @precondition(lambda self: not self.tried)
    @rule()
    def try_it(self) -> None:
        waits = self.breaker.wait(self.moment)
        self.tried = self.breaker.may_try(self.moment)
        assert self.tried == (waits == 0)

    @precondition(lambda self: self.tried)
    @rule()
    def it_works(self) -> None:
        self.breaker.succeeded()
        self.in_a_row, self.tried = 0, False
        assert self.breaker.state == "closed"

    @precondition(lambda self: self.tried)
    @rule()
    def it_fails(self) -> None:
        self.breaker.failed(self.moment)
        self.in_a_row, self.tried = self.in_a_row + 1, False

    @precondition(lambda self: self.tried)
    @rule(times=integers(1, 5))
    def a_second_try_while_one_is_under_way(self, times: int) -> None:
        if self.breaker.state == "half_open":
            assert not any(self.breaker.may_try(self.moment) for _ in range(times))

    @rule()
    def somebody_waits(self) -> None:
        self.breaker.hurry(self.moment)
        assert self.breaker.wait(self.moment) == 0

    @invariant()
    def it_is_closed_until_it_failed_too_often(self) -> None:
        assert (self.breaker.state == "closed") == (self.in_a_row < FAILURES)
        assert 0 <= self.breaker.wait(self.moment) <= LONGEST


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)
