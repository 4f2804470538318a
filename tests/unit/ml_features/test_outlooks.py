"""Outlooks of customers, from their orders."""

from datetime import date
from typing import Any

import numpy as np

from shopstream.ml_features.outlooks import customer_outlooks

AS_OF = date(2026, 3, 31)


def orders(customers: int, seed: int) -> list[dict[str, Any]]:
    """Half of the customers came every 10 days until now, half so until 200 days ago."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for customer in range(customers):
        age = 1.0 + 199 * (customer % 2) + 10 * random.random()
        while age < 400:
            rows.append(
                {"user_id": f"u{customer}", "order_id": str(len(rows)), "age_days": age, "quantity": 2.0, "paid": 9.0}
            )
            age += random.exponential(10)
    return rows


def test_who_came_lately_comes_back_and_who_stayed_away_does_not() -> None:
    found = {each.user_id: each for each in customer_outlooks(orders(200, seed=1), AS_OF)}
    assert len(found) == 200
    here = [found[f"u{customer}"] for customer in range(0, 200, 2)]
    gone = [found[f"u{customer}"] for customer in range(1, 200, 2)]
    assert min(each.return_probability for each in here) > max(each.return_probability for each in gone)
    assert np.mean([each.alive_probability for each in here]) > 0.9
    assert np.mean([each.alive_probability for each in gone]) < 0.1
    assert 5 < np.mean([each.expected_order_days for each in here]) < 12
    assert {each.median_order_days for each in gone} == {0}
    assert {(each.as_of, each.horizon_days) for each in here} == {(AS_OF, 90)}


def test_the_same_orders_give_the_same_outlooks() -> None:
    assert customer_outlooks(orders(150, seed=2), AS_OF) == customer_outlooks(orders(150, seed=2), AS_OF)


def test_too_few_customers_and_no_orders_give_none() -> None:
    assert customer_outlooks(orders(99, seed=3), AS_OF) == []
    assert customer_outlooks([], AS_OF) == []
