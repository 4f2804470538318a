"""The logistic model of buying again: from what is known of a user and a product to the weights of a probability."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from shopstream.schemas.features import ReorderInputs, ReorderWeight

HORIZON_DAYS = 30
"""The probability is about this many days; the same figure stands in reorder_weights/query.sql."""
INPUTS: tuple[str, ...] = tuple(ReorderInputs.model_fields)
INTERCEPT = "intercept"
FEWEST_PAIRS = 1000
FEWEST_OF_A_KIND = 100
"""Fewer pairs that were bought again, or that were not, do not carry ten weights."""
INVERSE_PENALTY = 1.0
"""scikit-learn's C: a light ridge, which matters only when there is little data."""

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "intercept": -1.25,
    "purchases_log": 0.662,
    "decayed_log": 0.236,
    "recent_log": -0.06,
    "overdue": -0.306,
    "bought_once": -0.478,
    "basket_share_log": 0.343,
    "activity_log": 0.489,
    "repeat_rate_logit": 0.548,
    "rate_log": 0.112,
    "trend_log": 0.556,
}
"""Until a shop's own history is enough: groceries of The Complete Journey, all households, fitted by this function
on the reorders of 2017-08-01 and the purchases of the 30 days after, rounded."""


def fit(pairs: Sequence[Mapping[str, Any]], as_of: date) -> list[ReorderWeight]:
    """The weights fitted on these pairs, or the default ones where the pairs are too few.

    Each pair has the inputs by name, `as_of`, their date, and `bought`: whether the product was bought again within
    the HORIZON_DAYS after that date.
    The same pairs in the same order give the same weights.
    """
    bought = np.array([pair["bought"] for pair in pairs], dtype=bool)
    kept = len(pairs) >= FEWEST_PAIRS and min(bought.sum(), (~bought).sum()) >= FEWEST_OF_A_KIND
    if not kept:
        return [
            ReorderWeight(as_of=as_of, feature=feature, weight=weight, fitted_pairs=0, fitted_bought=0)
            for feature, weight in DEFAULT_WEIGHTS.items()
        ]
    return [
        ReorderWeight(
            as_of=as_of,
            feature=feature,
            weight=weight,
            fitted_pairs=len(pairs),
            fitted_bought=int(bought.sum()),
            fitted_from=pairs[0]["as_of"],
            fitted_to=pairs[0]["as_of"] + timedelta(days=HORIZON_DAYS),
        )
        for feature, weight in _logistic(pairs, bought).items()
    ]


def _logistic(pairs: Sequence[Mapping[str, Any]], bought: Any) -> dict[str, float]:  # noqa: ANN401 - an array of bool
    # Imported here: scikit-learn takes a second, and the reader needs none of it.
    from sklearn.linear_model import LogisticRegression

    inputs = np.array([[pair[name] for name in INPUTS] for pair in pairs], dtype=np.float64)
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000).fit(inputs, bought)
    return {INTERCEPT: float(model.intercept_[0]), **dict(zip(INPUTS, map(float, model.coef_[0]), strict=True))}
