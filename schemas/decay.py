"""The decayed count: one formula for batch SQL, the stream and whoever checks them."""

from math import exp, log

HALF_LIFE_DAYS = 90.0
"""An event counts half as much after this many days."""


def decayed(weight: float, age_days: float, half_life_days: float = HALF_LIFE_DAYS) -> float:
    """What is left of a weight after age_days: weight · 2^(-age_days / half_life_days)."""
    return weight * exp(-log(2) * age_days / half_life_days)
