"""The logistic model of buying again: from what is known of a user and a product to the weights of a probability."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from shopstream.schemas.features import ReorderInputs, ReorderWeight
from shopstream.schemas.live.reorders import HORIZON_DAYS, INTERCEPT, SOON_DAYS

from .logistic import standardised_logistic

BOUGHT: Mapping[int, str] = {SOON_DAYS: "bought_soon", HORIZON_DAYS: "bought"}
"""The answer of a pair by horizon; the same horizons stand in reorder_weights/query.sql and reorders/query.sql."""
INPUTS: tuple[str, ...] = tuple(ReorderInputs.model_fields)
FEWEST_PAIRS = 1000
FEWEST_OF_A_KIND = 100
"""Fewer pairs that were bought again, or that were not, do not carry the weights."""

DEFAULT_WEIGHTS: Mapping[int, Mapping[str, float]] = {
    SOON_DAYS: {
        "intercept": -3.361,
        "purchases_log": 0.614,
        "decayed_log": 0.276,
        "recent_log": -0.028,
        "overdue": 0.199,
        "bought_once": -0.939,
        "basket_share_log": 0.065,
        "activity_log": 0.437,
        "repeat_rate_logit": 0.306,
        "rate_log": 0.079,
        "trend_log": 0.656,
        "since_last_log": 0.14,
        "overdue_beyond": -0.73,
        "gap_log": -0.153,
        "gap_variation": -0.12,
        "recent_10_log": 0.176,
        "decayed_45_log": 0.05,
        "user_since_last_log": 0.577,
        "user_overdue": -0.567,
        "user_decayed_log": 0.023,
        "basket_size_log": 0.133,
        "user_repeat_logit": 0.266,
        "user_again_logit": -0.012,
        "product_again_logit": -0.13,
        "product_rate_log": 0.146,
        "category_share_log": -0.172,
        "category_overdue": 0.038,
    },
    HORIZON_DAYS: {
        "intercept": -0.946,
        "purchases_log": 0.781,
        "decayed_log": 0.283,
        "recent_log": -0.065,
        "overdue": 0.183,
        "bought_once": -0.849,
        "basket_share_log": 0.156,
        "activity_log": 0.321,
        "repeat_rate_logit": 0.46,
        "rate_log": -0.037,
        "trend_log": 0.504,
        "since_last_log": -0.072,
        "overdue_beyond": -0.668,
        "gap_log": -0.165,
        "gap_variation": -0.149,
        "recent_10_log": 0.091,
        "decayed_45_log": 0.018,
        "user_since_last_log": 0.235,
        "user_overdue": -0.353,
        "user_decayed_log": -0.027,
        "basket_size_log": 0.105,
        "user_repeat_logit": 0.328,
        "user_again_logit": 0.061,
        "product_again_logit": -0.054,
        "product_rate_log": 0.105,
        "category_share_log": -0.172,
        "category_overdue": -0.001,
    },
}
"""Until a shop's own history is enough: groceries of The Complete Journey, fitted by this function on the reorders of
2017-08-01 and what was bought after, rounded."""


def fit(pairs: Sequence[Mapping[str, Any]], as_of: date) -> list[ReorderWeight]:
    """The weights of each horizon fitted on these pairs, or the default ones where the pairs are too few.

    Each pair has the inputs by name, `as_of`, their date, and `bought_soon` and `bought`: whether the product was
    bought again within SOON_DAYS and HORIZON_DAYS after that date.
    The same pairs in the same order give the same weights.
    """
    inputs = np.array([[pair[name] for name in INPUTS] for pair in pairs], dtype=np.float64)
    weights: list[ReorderWeight] = []
    for horizon, answer in BOUGHT.items():
        bought = np.array([pair[answer] for pair in pairs], dtype=bool)
        enough = len(pairs) >= FEWEST_PAIRS and min(bought.sum(), (~bought).sum()) >= FEWEST_OF_A_KIND
        fitted = logistic(inputs, bought) if enough else DEFAULT_WEIGHTS[horizon]
        weights += [
            ReorderWeight(
                as_of=as_of,
                horizon_days=horizon,
                feature=feature,
                weight=weight,
                fitted_pairs=len(pairs) if enough else 0,
                fitted_bought=int(bought.sum()) if enough else 0,
                fitted_from=pairs[0]["as_of"] if enough else None,
                fitted_to=pairs[0]["as_of"] + timedelta(days=horizon) if enough else None,
            )
            for feature, weight in fitted.items()
        ]
    return weights


def logistic(inputs: Any, bought: Any, weight: Any = None) -> dict[str, float]:  # noqa: ANN401 - arrays
    """The weights, by name of the input and INTERCEPT, of a logistic regression on rows of INPUTS as they are."""
    scaler, model = standardised_logistic().fit(inputs, bought, logisticregression__sample_weight=weight)
    by_input = model.coef_[0] / scaler.scale_
    intercept = float(model.intercept_[0] - by_input @ scaler.mean_)
    return {INTERCEPT: intercept, **dict(zip(INPUTS, map(float, by_input), strict=True))}
