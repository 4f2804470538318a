"""How often customers will buy again, and whether they still will: the BG/NBD model.

Fader, Hardie, Lee: "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model (Marketing Science
24(2), 2005). While alive a customer buys at random times at a rate of his own, gamma distributed over customers (shape
r, scale alpha); after each purchase he leaves with a chance of his own, beta distributed (a, b).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1
from scipy.stats import nbinom

from shopstream.schemas import SettingsError

from .histories import Floats

FEWEST_CUSTOMERS = 100
MOST_PURCHASES = 1000
"""Medians are not looked for beyond."""
STARTS = ((1.0, 1.0, 1.0, 1.0), (0.3, 4.0, 0.8, 2.5), (1.0, 30.0, 0.5, 5.0))
"""r, alpha in units of the mean gap, a and b from which the search begins; the best end is taken."""


@dataclass(frozen=True)
class Buyers:
    """Customers as the model sees them, one element each; times in one unit, such as weeks."""

    repeats: Floats
    """Purchases after the first, x."""
    last: Floats
    """Time of the last purchase since the first, t_x; 0 without a repeat."""
    known: Floats
    """How long the customer is known: now, since the first purchase, T."""


@dataclass(frozen=True)
class BGNBD:
    """The model's four parameters."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, buyers: Buyers) -> Floats:
        """The chance, 0 to 1, that each has not left; 1 for who never bought again, as the paper has it."""
        x = buyers.repeats
        gone = np.log(self.a / (self.b + np.maximum(x, 1) - 1)) + (self.r + x) * np.log(
            (self.alpha + buyers.known) / (self.alpha + buyers.last)
        )
        alive: Floats = np.where(x > 0, 1 / (1 + np.exp(np.minimum(gone, 700))), 1.0)
        return alive

    def expected_purchases(self, buyers: Buyers, time: float) -> Floats:
        """How often each buys in the time to come, on average (equation 10)."""
        x, known = buyers.repeats, buyers.known
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        inner = hyp2f1(r + x, b + x, a + b + x - 1, time / (alpha + known + time))
        while_alive = (a + b + x - 1) / (a - 1) * (1 - ((alpha + known) / (alpha + known + time)) ** (r + x) * inner)
        expected: Floats = while_alive * self.alive(buyers)
        return expected

    def none_again(self, buyers: Buyers, time: float) -> Floats:
        """The chance, 0 to 1, that each buys nothing in the time to come: gone, or alive and waiting longer."""
        x = buyers.repeats
        alive = self.alive(buyers)
        waiting = ((self.alpha + buyers.known) / (self.alpha + buyers.known + time)) ** (self.r + x)
        none: Floats = 1 - alive + alive * waiting
        return none

    def median_purchases(self, buyers: Buyers, time: float) -> Floats:
        """The number of purchases in the time to come that half of such customers stay at or below.

        The point forecast of the least absolute error, where the mean is that of the least squared error.
        """
        x = buyers.repeats
        shape, scale, stays = self.r + x, self.alpha + buyers.known, self.b + x
        alive = self.alive(buyers)
        reached = 1 - alive  # the chance of at most `number` purchases, so far of those gone
        fewer = np.zeros_like(alive)  # the chance of fewer, were no one to leave
        median = np.full(len(x), np.nan)
        for number in range(MOST_PURCHASES + 1):
            exactly = nbinom.pmf(number, shape, scale / (scale + time))
            staying = np.exp(betaln(self.a, stays + number) - betaln(self.a, stays))
            chance = staying * exactly
            if number:
                leaving = np.exp(betaln(self.a + 1, stays + number - 1) - betaln(self.a, stays))
                chance = chance + leaving * (1 - fewer)
            reached, fewer = reached + alive * chance, fewer + exactly
            median = np.where(np.isnan(median) & (reached >= 0.5), number, median)  # noqa: PLR2004 - a half
            if not np.isnan(median).any():
                break
        return np.where(np.isnan(median), MOST_PURCHASES, median)


def log_likelihood(model: BGNBD, buyers: Buyers) -> float:
    """The logarithm of the chance of these histories (equation 6)."""
    r, alpha, a, b, x = model.r, model.alpha, model.a, model.b, buyers.repeats
    buying = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    staying = betaln(a, b + x) - betaln(a, b)
    waiting = -(r + x) * np.log(alpha + buyers.known)
    leaving = np.where(x > 0, np.log(a / (b + np.maximum(x, 1) - 1)) - (r + x) * np.log(alpha + buyers.last), -np.inf)
    return float(np.sum(buying + staying + np.logaddexp(waiting, leaving)))


def fit(buyers: Buyers) -> BGNBD:
    """The parameters under which these histories are the likeliest; the same histories give the same parameters.

    Raises:
        SettingsError: Too few customers, or none who bought again.
    """
    if len(buyers.repeats) < FEWEST_CUSTOMERS or not (buyers.repeats > 0).any():
        raise SettingsError(
            f"a BG/NBD model needs {FEWEST_CUSTOMERS} customers of whom some bought again; "
            f"there are {len(buyers.repeats):,}, {int((buyers.repeats > 0).sum()):,} bought again"
        )
    bought_again = buyers.repeats > 0
    unit = float(np.mean(buyers.last[bought_again] / buyers.repeats[bought_again])) or 1.0
    scaled = Buyers(buyers.repeats, buyers.last / unit, buyers.known / unit)

    def loss(logarithms: Floats) -> float:
        return -log_likelihood(BGNBD(*np.exp(logarithms)), scaled) / len(scaled.repeats)

    ends = [
        minimize(loss, np.log(start), method="L-BFGS-B", bounds=[(-9.0, 9.0)] * 4, options={"maxiter": 500})
        for start in STARTS
    ]
    r, alpha, a, b = np.exp(min(ends, key=lambda end: float(end.fun)).x)
    return BGNBD(float(r), float(alpha * unit), float(a), float(b))
