"""How good predictions are, as figures: recall of what was bought next, and whether probabilities hold."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .histories import Floats

CALIBRATION_BINS = 15
RESAMPLES = 2000


@dataclass(frozen=True)
class Comparison:
    """One way of ranking beside another, over the same users."""

    ours: float
    theirs: float
    difference: float
    low: float
    """Lower end of the 95 % interval of the difference, users drawn with replacement."""
    high: float
    """Upper end of it."""
    users: int


def recall_at_k(ranked: Sequence[str], bought: Collection[str], k: int) -> float:
    """The share of what was bought that is among the first k of the ranking, 0 to 1.

    Raises:
        ValueError: Nothing was bought, so there is no share.
    """
    if not bought:
        raise ValueError("recall needs at least one product bought")
    return len(set(ranked[:k]) & set(bought)) / len(set(bought))


def recalls(rankings: Mapping[str, Sequence[str]], bought: Mapping[str, Collection[str]], k: int) -> Floats:
    """recall_at_k of each user who bought, in order of user_id; a user without a ranking counts as 0."""
    return np.array([recall_at_k(rankings.get(user, ()), bought[user], k) for user in sorted(bought)])


def by_frequency(history: Mapping[str, Mapping[str, tuple[int, Any]]]) -> dict[str, list[str]]:
    """The plain baseline: each user's products by number of purchases, ties by the latest, then by product_id.

    `history` gives, for each user and product, how often it was bought and when last (anything that sorts).
    """
    return {user: _most_frequent_first(products) for user, products in history.items()}


def _most_frequent_first(products: Mapping[str, tuple[int, Any]]) -> list[str]:
    ranked = sorted(products)
    ranked.sort(key=lambda product: products[product], reverse=True)  # equals stay in order of product_id
    return ranked


def calibration_error(probabilities: Floats, happened: Floats, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: the mean gap between what was promised and what happened, in bins of equal size.

    Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning (AAAI 2015), with
    bins of equal mass instead of equal width.
    """
    order = np.argsort(probabilities, kind="stable")
    gaps = [
        abs(float(probabilities[part].mean() - happened[part].mean())) * len(part)
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return sum(gaps) / len(order)


def compare(ours: Floats, theirs: Floats, *, seed: int = 0, resamples: int = RESAMPLES) -> Comparison:
    """Means of two measures of the same users, and a bootstrap interval of their difference by user."""
    difference = ours - theirs
    chosen = np.random.default_rng(seed).integers(0, len(difference), (resamples, len(difference)))
    low, high = np.percentile(difference[chosen].mean(axis=1), [2.5, 97.5])
    return Comparison(
        float(ours.mean()), float(theirs.mean()), float(difference.mean()), float(low), float(high), len(difference)
    )
