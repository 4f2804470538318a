"""Which customers come back: the BG/NBD model, corrected by what it does not look at.

The BG/NBD model takes a customer's purchases for evenly random while he is there. What came lately, and how much was
paid, says more; a logistic regression, learned on an earlier moment of the same customers, puts it together.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shopstream.schemas import SettingsError

from .bgnbd import BGNBD, Buyers, fit
from .histories import Floats, Histories, Moments, bought_within, known_lines, moments_on
from .logistic import standardised_logistic

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

DAYS_A_WEEK = 7.0
FEWEST_OF_A_KIND = 30
HALF_LIVES = (14, 30, 90)


@dataclass(frozen=True)
class Outlook:
    """What is expected of customers in the time to come, one element a customer."""

    returns: Floats
    """The chance of at least one purchase, 0 to 1."""
    purchases: Floats
    """How many are expected on average."""
    median_purchases: Floats
    """The number half of such customers stay at or below."""


@dataclass(frozen=True)
class Returning:
    """A fitted model of who comes back."""

    model: BGNBD
    correction: "Pipeline | None"
    """None where too little was seen to learn one; then the BG/NBD model speaks alone."""

    def outlook(self, histories: Histories, moments: Moments, days: float) -> Outlook:
        """What is expected of the customers in so many days after their moments."""
        buyers, weeks = buyers_at(histories, moments), days / DAYS_A_WEEK
        returns: Floats = 1 - self.model.none_again(buyers, weeks)
        if self.correction is not None:
            returns = self.correction.predict_proba(_inputs(histories, moments, self.model, days))[:, 1]
        return Outlook(
            returns, self.model.expected_purchases(buyers, weeks), self.model.median_purchases(buyers, weeks)
        )


def learn(histories: Histories, day: float, horizon_days: float) -> Returning:
    """The model as of a day: fitted on what was bought before it, corrected by what followed an earlier moment.

    The earlier moment is the horizon before the day, or half of the history where that is shorter.

    Raises:
        SettingsError: Too few customers for a BG/NBD model.
    """
    now = moments_on(histories, day)
    model = fit(buyers_at(histories, now))
    window = min(horizon_days, (day - float(histories.basket_day.min())) / 2)
    earlier = moments_on(histories, day - window)
    returned = np.zeros(len(earlier), dtype=np.bool_)
    returned[bought_within(histories, earlier, window) // histories.products] = True
    if min(int(returned.sum()), int((~returned).sum())) < FEWEST_OF_A_KIND:
        return Returning(model, None)
    try:
        before = fit(buyers_at(histories, earlier))
    except SettingsError:
        return Returning(model, None)
    return Returning(model, standardised_logistic().fit(_inputs(histories, earlier, before, window), returned))


def buyers_at(histories: Histories, moments: Moments) -> Buyers:
    """Customers as the BG/NBD model sees them, in weeks; baskets of one calendar day are one purchase."""
    lines = known_lines(histories, moments)
    days = np.unique(np.column_stack([lines.moment, np.floor(histories.basket_day[lines.basket])]), axis=0)
    moment = days[:, 0].astype(np.int64)
    first = np.searchsorted(moment, np.arange(len(moments)))
    last = np.searchsorted(moment, np.arange(len(moments)), side="right") - 1
    begun = days[first, 1]
    return Buyers(
        repeats=(last - first).astype(np.float64),
        last=(days[last, 1] - begun) / DAYS_A_WEEK,
        known=np.maximum(moments.day - begun, 1) / DAYS_A_WEEK,
    )


def _inputs(histories: Histories, moments: Moments, model: BGNBD, days: float) -> Floats:
    lines = known_lines(histories, moments)
    buyers = buyers_at(histories, moments)
    none = np.clip(model.none_again(buyers, days / DAYS_A_WEEK), 1e-6, 1 - 1e-6)

    def of(weights: Floats) -> Floats:
        return np.bincount(lines.moment, weights=weights, minlength=len(moments)).astype(np.float64)

    columns = [
        np.log(np.maximum(model.expected_purchases(buyers, days / DAYS_A_WEEK), 1e-9)),
        np.log(none / (1 - none)),
        np.log(1 + buyers.repeats),
        buyers.last / buyers.known,
        np.log(1 + buyers.known - buyers.last),
        np.log(1 + buyers.known),
        (buyers.repeats > 0).astype(np.float64),
        np.log(1 + np.maximum(of(lines.value), 0)),
        np.log(1 + of(lines.quantity)),
        *(np.log(0.01 + of(0.5 ** (lines.age_days / half_life))) for half_life in HALF_LIVES),
    ]
    return np.column_stack(columns)
