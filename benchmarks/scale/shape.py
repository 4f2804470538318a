"""Open load and what became of it, as arithmetic: no clock, no process.

An event's lag counts from when it was due, not from when it was sent: a sender that is held up hides nothing.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

TICKS_A_SECOND = 10
KEEPS_UP = 0.9
"""A step was kept up with where so large a share of the offer was stored in time."""
STEADY = 0.1
"""Or where lag grew by less than so many seconds a second: bundles come seldom, and a rate between two is rough."""
_BUSY_CORES = 0.8
_WHOLE_MACHINE = 0.9


@dataclass(frozen=True)
class Tick:
    """Events that are due together, as if from many processes."""

    due: float
    """Seconds after the load begins."""
    events: int


@dataclass(frozen=True)
class Stored:
    """Events of one tick that were stored together."""

    at: float
    due: float
    events: int


@dataclass(frozen=True)
class Step:
    """What became of a steady offer."""

    offered: float
    """Events a second."""
    seconds: float
    stored: float
    """Events a second, from the middle of the offer to the last event."""
    backlog: int
    """Events that were due and not stored at the end."""
    lag_p50: float
    lag_p99: float
    lag_growth: float
    """Seconds by which an event is later than one that was due a second before it, in the second half."""
    cores: Mapping[str, float]
    """CPU seconds a second, by process."""
    sent_late: float
    """Seconds by which the sender itself was late at most: where that is much, it is the sender that was measured."""

    @property
    def keeps_up(self) -> bool:
        """Whether throughput followed the offer."""
        return self.stored >= KEEPS_UP * self.offered or self.lag_growth < STEADY


def ticks(rate: float, seconds: float) -> Iterator[Tick]:
    """A steady offer; what does not divide evenly is made up for by a later tick."""
    count = round(seconds * TICKS_A_SECOND)
    for number in range(count):
        until, before = (round(rate * part / TICKS_A_SECOND) for part in (number + 1, number))
        if until > before:
            yield Tick(number / TICKS_A_SECOND, until - before)


def rising(first: float, factor: float, most: float) -> Iterator[float]:
    """Rates, each so many times the one before."""
    rate = first
    while rate <= most:
        yield rate
        rate *= factor


def step_of(
    rate: float, seconds: float, stored: Sequence[Stored], cores: Mapping[str, float], sent_late: float = 0.0
) -> Step:
    """The step of an offer whose every event was stored in the end; times count from its beginning."""
    offered = sum(tick.events for tick in ticks(rate, seconds))
    in_time = sum(each.events for each in stored if each.at <= seconds)
    lags = [(each.at - each.due, each.events) for each in stored]
    p50, p99 = quantile(lags, 0.5), quantile(lags, 0.99)
    # The first half is left out: until bundles are as large as the rate makes them lag grows in any case.
    growth = lag_growth([each for each in stored if each.due >= seconds / 2])
    return Step(rate, seconds, stored_rate(stored, seconds / 2), offered - in_time, p50, p99, growth, cores, sent_late)


def stored_rate(stored: Sequence[Stored], since: float) -> float:
    """Events a second from a moment on; the first to be stored only say when that was."""
    times = sorted({each.at for each in stored if each.at >= since})
    if len(times) < 2:
        return 0.0
    after_the_first = sum(each.events for each in stored if each.at > times[0])
    return after_the_first / (times[-1] - times[0])


def quantile(weighted: Sequence[tuple[float, int]], share: float) -> float:
    """The value below which so large a share of the weight lies."""
    ordered = sorted(weighted)
    sums = list(accumulate(weight for _, weight in ordered))
    return ordered[min(bisect_right(sums, share * sums[-1]), len(ordered) - 1)][0]


def knee(steps: Sequence[Step]) -> Step | None:
    """The highest step that was kept up with; None where even the first was too much."""
    return next((step for step in reversed(steps) if step.keeps_up), None)


def is_over(steps: Sequence[Step], beyond: int) -> bool:
    """Whether the last so many steps were too much: one alone may be the machine's own hiccup."""
    return len(steps) >= beyond and not any(step.keeps_up for step in steps[-beyond:])


def capacity(steps: Sequence[Step]) -> float:
    """The most that was stored a second in any step."""
    return max(step.stored for step in steps)


def lag_growth(stored: Sequence[Stored]) -> float:
    """The slope of lag over the time at which events were due: the straight line through all of them."""
    weight = sum(each.events for each in stored)
    middle = sum(each.due * each.events for each in stored) / weight
    lag = sum((each.at - each.due) * each.events for each in stored) / weight
    above = sum((each.due - middle) * (each.at - each.due - lag) * each.events for each in stored)
    spread = sum((each.due - middle) ** 2 * each.events for each in stored)
    return above / spread if spread else 0.0


def expected_lag_growth(offered: float, stored: float) -> float:
    """What is due at t is stored at t * offered / stored."""
    return max(offered / stored - 1, 0.0)


def bottleneck(cores: Mapping[str, float], machine: int) -> str:
    """Who is busy: a process of Python cannot use much more than one core, and all share those of the machine.

    Two may have one core between them: where the job waits for each answer, it and the warehouse work in turns.
    """
    first, second = sorted(cores, key=lambda each: cores[each])[:-3:-1]
    if sum(cores.values()) >= _WHOLE_MACHINE * machine:
        return f"all {machine} cores, most of them the {first}"
    if cores[first] >= _BUSY_CORES:
        return f"the {first}"
    return f"the {first} and the {second} in turns" if cores[first] + cores[second] >= _BUSY_CORES else "none"
