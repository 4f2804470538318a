"""What a user may buy again, from the user's own lines: the formulas of ml_features/tables/reorders/query.sql.

A test replays the demo's purchases through both and holds every input and probability equal to 1e-9.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from math import exp, log, log1p, sqrt
from operator import attrgetter

from ..decay import decayed
from ..features import ProductRhythm, Reorder, ReorderInputs
from .purchase_lines import Kept, PurchaseLine, kept_lines

HORIZON_DAYS, SOON_DAYS = 30, 7
"""Buying again within so many days is predicted."""
LATELY_DAYS = 30
USUAL_GAP_DAYS = 30.0
"""Of a user with one order."""
MOST_NEXT_DAYS = 365
INTERCEPT = "intercept"
_DEFAULT_AGAIN_A_DAY = 0.5 / 60
_DEFAULT_TREND = 1.0

Weights = Mapping[int, Mapping[str, float]]
"""By horizon in days and feature; the features are those of ReorderInputs and INTERCEPT."""


@dataclass(frozen=True)
class Rhythms:
    """How everyone buys products again, of one date."""

    by_product: Mapping[str, ProductRhythm]

    def of(self, product_id: str) -> tuple[float, float, float, float]:
        """Repeat rate, again rate, repeat purchases a day and trend; of an unknown product those of no observation."""
        known = self.by_product.get(product_id)
        if known is None:
            return self.average_repeat_rate, self.average_again_rate, _DEFAULT_AGAIN_A_DAY, _DEFAULT_TREND
        return known.repeat_rate, known.again_rate, known.again_a_day, known.trend

    @property
    def average_repeat_rate(self) -> float:
        """Of all products."""
        return next((each.average_repeat_rate for each in self.by_product.values()), 0.1)

    @property
    def average_again_rate(self) -> float:
        """Of all products."""
        return next((each.average_again_rate for each in self.by_product.values()), 0.5)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A product the user bought."""

    product_id: str
    category: str | None
    purchases: int
    last_purchased_at: datetime
    since_last: float
    since_first: float
    ages: tuple[float, ...]
    squared_gaps: float
    decayed_90: float

    @property
    def mean_gap(self) -> float | None:
        """Days between purchases; None when bought once."""
        return (self.since_first - self.since_last) / (self.purchases - 1) if self.purchases > 1 else None

    def decayed(self, half_life_days: float) -> float:
        return sum(decayed(1.0, age, half_life_days) for age in self.ages)


@dataclass(frozen=True, slots=True)
class _Orders:
    """Orders of anything, or of one category."""

    ages: tuple[float, ...]

    @property
    def since_last(self) -> float:
        return min(self.ages)

    @property
    def mean_gap(self) -> float:
        return (max(self.ages) - min(self.ages)) / max(len(self.ages) - 1, 1)

    def decayed(self, half_life_days: float) -> float:
        return sum(decayed(1.0, age, half_life_days) for age in self.ages)


def reorders(
    user_id: str,
    lines: Iterable[PurchaseLine],
    moment: datetime,
    rhythms: Rhythms,
    weights: Weights,
    *,
    most: int | None = None,
) -> list[Reorder]:
    """What the user bought in the year before the moment, the most probable to be bought again first.

    Args:
        user_id: Whose lines they are.
        lines: In any order; those at or after the moment do not count.
        moment: What is known before it is used.
        rhythms: Of everyone.
        weights: Of both horizons.
        most: So many products; None for all.

    Raises:
        KeyError: A weight is missing.
    """
    kept = kept_lines(lines, moment)
    pairs = [_pair(list(group)) for _, group in groupby(kept, key=attrgetter("product_id"))]
    if not pairs:
        return []
    user, categories = _of_user(kept, pairs, rhythms), _of_categories(kept)
    scored = []
    for pair in pairs:
        inputs = _of_pair(pair, rhythms) | user | _within(pair, user, categories)
        scored.append((pair, inputs, _log_odds(weights[HORIZON_DAYS], inputs)))
    # A tie goes to what was bought last, then to the smaller product_id, by which they stand already.
    scored.sort(key=lambda each: each[0].last_purchased_at, reverse=True)
    scored.sort(key=lambda each: each[2], reverse=True)
    return [
        _reorder(
            user_id, pair, moment, rank=rank, inputs=inputs, odds=(log_odds, _log_odds(weights[SOON_DAYS], inputs))
        )
        for rank, (pair, inputs, log_odds) in enumerate(scored[:most], 1)
    ]


def _pair(kept: Sequence[Kept]) -> _Pair:
    ages = tuple(line.age_days for line in kept)
    return _Pair(
        kept[0].product_id,
        next((line.category for line in reversed(kept) if line.category is not None), None),
        len(kept),
        kept[-1].ordered_at,
        min(ages),
        max(ages),
        ages,
        sum((earlier - later) ** 2 for earlier, later in pairwise(ages)),
        sum(decayed(1.0, age) for age in ages),
    )


def _age_by_order(kept: Iterable[Kept]) -> dict[str, float]:
    ages: dict[str, float] = {}
    for line in kept:
        ages[line.order_id] = min(line.age_days, ages.get(line.order_id, line.age_days))
    return ages


def _of_user(kept: Sequence[Kept], pairs: Sequence[_Pair], rhythms: Rhythms) -> dict[str, float]:
    """The inputs that are the same for all products of the user."""
    orders = _Orders(tuple(_age_by_order(kept).values()))
    gap = orders.mean_gap if len(orders.ages) > 1 else USUAL_GAP_DAYS
    regular = [pair for pair in pairs if pair.purchases > 1]
    lately = sum(pair.since_last < LATELY_DAYS for pair in regular)
    return {
        "activity_log": log(orders.decayed(21) + 0.1),
        "user_since_last_log": log1p(orders.since_last),
        "user_overdue": log1p(orders.since_last / max(gap, 1)),
        "user_decayed_log": log(orders.decayed(90) + 0.1),
        "basket_size_log": log(len(kept) / len(orders.ages)),
        "user_repeat_logit": _logit((len(kept) - len(pairs) + 1) / (len(kept) + 4)),
        "user_again_logit": _logit((lately + 5 * rhythms.average_again_rate) / (len(regular) + 5)),
    }


def _of_categories(kept: Sequence[Kept]) -> dict[str, tuple[float, float]]:
    """Of each category the user's decayed orders, and the logarithm of how overdue it is."""
    found: dict[str, list[Kept]] = {}
    for line in kept:
        if line.category is not None:
            found.setdefault(line.category, []).append(line)
    orders = {category: _Orders(tuple(_age_by_order(lines).values())) for category, lines in found.items()}
    return {
        category: (
            each.decayed(90),
            log1p(each.since_last / max(each.mean_gap, 1)) if len(each.ages) > 1 else 0.0,
        )
        for category, each in orders.items()
    }


def _of_pair(pair: _Pair, rhythms: Rhythms) -> dict[str, float]:
    """The inputs of the product by itself, as the user and as everyone buys it."""
    repeat_rate, again_rate, again_a_day, trend = rhythms.of(pair.product_id)
    again = pair.purchases > 1
    gap = pair.mean_gap or 0.0
    overdue = log1p(pair.since_last / max(gap, 1)) if again else 0.0
    variance = max(pair.squared_gaps / max(pair.purchases - 1, 1) - gap * gap, 0)
    return {
        "purchases_log": log(pair.purchases),
        "decayed_log": log(pair.decayed_90 + 0.01),
        "decayed_45_log": log(pair.decayed(45) + 0.01),
        "recent_log": log(pair.decayed(21) + 0.01),
        "recent_10_log": log(pair.decayed(10) + 0.01),
        "overdue": overdue,
        "overdue_beyond": max(overdue - log(2), 0.0) if again else 0.0,
        "bought_once": 0.0 if again else 1.0,
        "rate_log": log(pair.purchases / (pair.since_first + 1)),
        "since_last_log": log1p(pair.since_last),
        "gap_log": log1p(gap) if again else 0.0,
        "gap_variation": sqrt(variance) / max(gap, 0.5) if pair.purchases > 2 else 0.0,  # noqa: PLR2004 - two gaps
        "repeat_rate_logit": _logit(repeat_rate),
        "product_again_logit": _logit(again_rate),
        "product_rate_log": log(again_a_day),
        "trend_log": log(trend),
    }


def _within(pair: _Pair, user: Mapping[str, float], categories: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """The inputs that set the product beside the user's baskets and the product's category."""
    held = pair.decayed_90 + 0.02
    category_decayed, category_overdue = categories.get(pair.category or "", (held - 0.02, 0.0))
    return {
        "basket_share_log": log(held / (exp(user["user_decayed_log"]) + 0.9)),
        "category_share_log": log(held / (category_decayed + 0.02)),
        "category_overdue": category_overdue,
    }


def chance(weights: Mapping[str, float], inputs: Mapping[str, float]) -> float:
    """The probability of buying again, by the weights of one horizon.

    Raises:
        KeyError: A weight is missing.
    """
    return 1 / (1 + exp(-_log_odds(weights, inputs)))


def _log_odds(weights: Mapping[str, float], inputs: Mapping[str, float]) -> float:
    return weights[INTERCEPT] + sum(weights[name] * value for name, value in inputs.items())


def _reorder(
    user_id: str, pair: _Pair, moment: datetime, *, rank: int, inputs: Mapping[str, float], odds: tuple[float, float]
) -> Reorder:
    log_odds, log_odds_soon = odds
    early, middle, late = next_in_days(log_odds, log_odds_soon)
    return Reorder(
        as_of=(moment - timedelta(microseconds=1)).date(),
        user_id=user_id,
        product_id=pair.product_id,
        category=pair.category,
        rank=rank,
        probability=1 / (1 + exp(-log_odds)),
        probability_7_days=1 / (1 + exp(-log_odds_soon)),
        next_in_days_early=early,
        next_in_days_middle=middle,
        next_in_days_late=late,
        purchases=pair.purchases,
        last_purchased_at=pair.last_purchased_at,
        days_since_last=pair.since_last,
        mean_gap_days=pair.mean_gap,
        decayed_purchases=pair.decayed_90,
        inputs=ReorderInputs(**inputs),
    )


def next_in_days(log_odds: float, log_odds_soon: float) -> tuple[float | None, float | None, float | None]:
    """The days by which the purchase comes with chances of 10, 50 and 90 %; None beyond 365.

    The chance of none for t days is exp(-(t / scale) ^ shape), a Weibull distribution through both probabilities.
    """
    hazard, hazard_soon = log1p(exp(log_odds)), log1p(exp(log_odds_soon))
    inverse_shape = log(HORIZON_DAYS / SOON_DAYS) / min(max(log(hazard / hazard_soon), 0.3), 4.5)
    early, middle, late = (HORIZON_DAYS * (log(1 / left) / hazard) ** inverse_shape for left in (0.9, 0.5, 0.1))
    return tuple(days if days <= MOST_NEXT_DAYS else None for days in (early, middle, late))  # type: ignore[return-value]


def _logit(rate: float) -> float:
    return log(rate / (1 - rate))
