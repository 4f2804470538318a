"""Shares of two groups compared, and how many users a comparison takes."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, log, sqrt
from statistics import NormalDist

from scipy.stats import chisquare

_NORMAL = NormalDist()
CONFIDENCE = 0.95
SAMPLE_RATIO_ALPHA = 0.001
"""Groups as uneven as this by chance alone only once in a thousand experiments are not dealt out as planned."""


@dataclass(frozen=True)
class Group:
    """The users of one variant, and how many of them did what is measured."""

    users: int
    successes: int

    @property
    def share(self) -> float:
        """Of the users, 0 to 1; 0 without users."""
        return self.successes / self.users if self.users else 0.0

    @property
    def variance(self) -> float:
        """Of one user's outcome, drawn to that of chance by one success and one failure, so that it is never 0."""
        share = (self.successes + 1) / (self.users + 2)
        return share * (1 - share)


@dataclass(frozen=True)
class Interval:
    """What the difference lies in, with the stated confidence."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference is shown."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Lift:
    """A variant's share beside the control's."""

    control: Group
    variant: Group
    difference: float
    """The variant's share less the control's."""
    relative: float | None
    """The same by the control's share; None where that is 0."""
    sequential: Interval
    """Holds at every look, however often one looks and whenever one stops."""
    fixed: Interval
    """Holds only if looked at once, at the planned number of users."""


def lift(
    control: Group, variant: Group, *, control_share: float, planned_users: int, alpha: float = 1 - CONFIDENCE
) -> Lift:
    """The variant beside the control.

    Args:
        control: Its users and successes.
        variant: Likewise.
        control_share: Of the users of both, the share that gets the control, as planned, 0 to 1.
        planned_users: Of both together; the sequential interval is narrowest there.
        alpha: How often an interval may leave out the truth.
    """
    difference = variant.share - control.share
    users = control.users + variant.users
    if not control.users or not variant.users:
        nothing = Interval(-inf, inf)
        return Lift(control, variant, difference, None, nothing, nothing)
    # Of one user of either group; the weighted outcomes of a randomised experiment have this variance.
    variance = control.variance / control_share + variant.variance / (1 - control_share)
    fixed = _NORMAL.inv_cdf(1 - alpha / 2) * sqrt(control.variance / control.users + variant.variance / variant.users)
    sequential = sqrt(variance) * sequential_width(users, planned_users, alpha)
    return Lift(
        control,
        variant,
        difference,
        difference / control.share if control.share else None,
        Interval(difference - sequential, difference + sequential),
        Interval(difference - fixed, difference + fixed),
    )


def sequential_width(users: int, planned_users: int, alpha: float = 1 - CONFIDENCE) -> float:
    """Half the width, in standard deviations of one user, of an interval for a mean that holds at all numbers of users.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (Time-uniform central limit
    theory and asymptotic confidence sequences, Annals of Statistics 2024, Theorem 2.2), with its parameter rho chosen
    (their equation for the optimal one at a given time) to be narrowest at `planned_users`.
    """
    squared = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / planned_users
    scaled = users * squared
    return sqrt(2 * (scaled + 1) / (users * scaled) * log(sqrt(scaled + 1) / alpha))


def users_needed(baseline: float, relative_lift: float, *, power: float = 0.8, alpha: float = 1 - CONFIDENCE) -> int:
    """The users of each of two equal groups with which a lift is found so often, looked at once.

    The test of two proportions (Fleiss, Levin, Paik: Statistical Methods for Rates and Proportions, 3rd ed., 4.14,
    without the correction for continuity).

    Args:
        baseline: The control's share, above 0 and below 1.
        relative_lift: How much more the variant's share is, by the baseline; 0.05 is 5 % more.
        power: How often the lift is to be found.
        alpha: How often a lift may be found where there is none.

    Raises:
        ValueError: A share is not between 0 and 1, or the lift is 0.
    """
    lifted = baseline * (1 + relative_lift)
    if not 0 < baseline < 1 or not 0 < lifted < 1:
        raise ValueError(f"shares must lie between 0 and 1, but they are {baseline:g} and {lifted:g}")
    if relative_lift == 0:
        raise ValueError("no number of users finds a lift of 0")
    mean = (baseline + lifted) / 2
    chance = _NORMAL.inv_cdf(1 - alpha / 2) * sqrt(2 * mean * (1 - mean))
    found = _NORMAL.inv_cdf(power) * sqrt(baseline * (1 - baseline) + lifted * (1 - lifted))
    return ceil(((chance + found) / (lifted - baseline)) ** 2)


def users_needed_sequentially(
    baseline: float, relative_lift: float, *, power: float = 0.8, alpha: float = 1 - CONFIDENCE
) -> int:
    """The same, looked at as often as one likes until there are so many: not quite twice as many, and often not all.

    The least number at which the sequential interval, narrowest there, leaves out 0 so often.
    """
    least = users_needed(baseline, relative_lift, power=power, alpha=alpha)
    lifted = baseline * (1 + relative_lift)
    deviation = sqrt(2 * (baseline * (1 - baseline) + lifted * (1 - lifted)))

    def suffices(users_of_each: int) -> bool:
        users = 2 * users_of_each
        reach = abs(lifted - baseline) / deviation - sequential_width(users, users, alpha)
        return reach * sqrt(users) >= _NORMAL.inv_cdf(power)

    return least + bisect_left(range(least, 4 * least), True, key=suffices)


def sample_ratio_chance(users: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """The chance of groups at least as uneven if users are dealt out by these shares (Pearson's chi-squared test).

    Raises:
        KeyError: A group has no share.
    """
    whole = sum(users.values())
    if not whole or len(users) == 1:
        return 1.0
    return float(chisquare(list(users.values()), [whole * shares[name] for name in users]).pvalue)
