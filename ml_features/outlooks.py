"""The rows of `customer_outlooks`: from the orders of all customers to whether and how often each comes back."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from shopstream.schemas import SettingsError
from shopstream.schemas.features import CustomerOutlook

from .models.histories import histories, moments_on
from .models.returning import buyers_at, learn

HORIZON_DAYS = 90


def customer_outlooks(orders: Sequence[Mapping[str, Any]], as_of: date) -> list[CustomerOutlook]:
    """The outlook of every user who ordered; none of anybody where the customers are too few to learn from.

    Each order has user_id, order_id, age_days (up to the end of as_of), quantity and paid.
    """
    if not orders:
        return []
    every = histories(
        user=[order["user_id"] for order in orders],
        basket=[order["order_id"] for order in orders],
        product=np.zeros(len(orders)),
        day=[-order["age_days"] for order in orders],
        quantity=[order["quantity"] for order in orders],
        value=[order["paid"] for order in orders],
    )
    try:
        model = learn(every, 0.0, HORIZON_DAYS)
    except SettingsError:
        return []
    now = moments_on(every, 0.0)
    outlook = model.outlook(every, now, HORIZON_DAYS)
    buyers = buyers_at(every, now)
    return [
        CustomerOutlook(
            as_of=as_of,
            user_id=str(user_id),
            horizon_days=HORIZON_DAYS,
            order_days=int(repeats) + 1,
            alive_probability=float(alive),
            return_probability=float(returns),
            expected_order_days=float(expected),
            median_order_days=int(median),
        )
        for user_id, repeats, alive, returns, expected, median in zip(
            every.user_ids[now.user],
            buyers.repeats,
            model.model.alive(buyers),
            outlook.returns,
            outlook.purchases,
            outlook.median_purchases,
            strict=True,
        )
    ]
