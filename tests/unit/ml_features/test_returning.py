"""Who comes back: right where it can be known, and no value from the future."""

import numpy as np
import pytest

from shopstream.ml_features.models.histories import Histories, histories, moments_on
from shopstream.ml_features.models.returning import buyers_at, learn


def made(*, later: bool) -> Histories:
    """300 customers who buy every week and 300 who bought for three weeks; `later` adds what comes after day 140."""
    user, day = [], []
    for customer in range(600):
        last = 200 if customer % 2 else 21
        days = [each for each in range(customer % 7, last, 7) if later or each < 140]
        user += [customer] * len(days)
        day += days
    return histories(user=user, basket=day, product=np.zeros(len(day)), day=day)


def test_baskets_of_one_day_are_one_purchase() -> None:
    every = histories(user=[1, 1, 1], basket=[1, 2, 3], product=[1, 1, 2], day=[3.1, 3.9, 17.5])
    buyers = buyers_at(every, moments_on(every, 24.0))
    assert (buyers.repeats.tolist(), buyers.last.tolist(), buyers.known.tolist()) == ([1], [2], [3])


def test_who_buys_every_week_returns_and_who_stopped_does_not() -> None:
    every = made(later=False)
    outlook = learn(every, 140, 56).outlook(every, moments_on(every, 140), 56)
    regular = np.arange(600) % 2 == 1
    assert outlook.returns[regular].min() > 0.9
    assert outlook.returns[~regular].max() < 0.1
    assert outlook.median_purchases[~regular].max() == 0
    assert outlook.purchases[regular].mean() == pytest.approx(8, rel=0.35)


def test_what_is_bought_later_changes_nothing() -> None:
    known, more = made(later=False), made(later=True)
    first, second = (learn(each, 140, 56).outlook(each, moments_on(each, 140), 56) for each in (known, more))
    np.testing.assert_array_equal(first.returns, second.returns)
    np.testing.assert_array_equal(first.purchases, second.purchases)
