"""What an insight is written from: numbers and names of our own, none of which says who somebody is."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Literal, TypeAlias

from shopstream.schemas.features import Profile
from shopstream.schemas.serving.served import ServedPersona, ServedProfile

from ..reader import told_persona

Value: TypeAlias = float | int | str

OF_PROFILE = (
    "orders",
    "days_since_last_order",
    "mean_basket_items",
    "mean_basket_value",
    "mean_days_between_orders",
    "order_gap_variation",
    "price_level",
    "price_elasticity",
    "lifecycle_stage",
    "churn_risk",
    "expected_order_days",
    "searches",
    "clicks",
    "search_order_share",
    "search_style",
    "clicked_search_share",
)
"""The fields of a profile that are told. No identifier, no date, no name of a product, a category or a brand."""
OF_SEGMENT: Mapping[str, str] = {
    "users": "Users of the segment.",
    "share_of_users": "Their share of all users, 0 to 1.",
    "mean_orders": "Mean number of orders in the last 730 days.",
    "mean_basket_items": "Mean number of different products in an order.",
    "mean_days_between_orders": "Mean time from one order to the next, in days.",
    "mean_churn_risk": "Mean chance of no order in the next 90 days, 0 to 1.",
    "mean_expected_order_days": "Mean number of days with an order expected in the next 90 days.",
}
PERSONA = "What kind of shopper it is over the last 180 days."
SIGNIFICANT_DIGITS = 3
"""Coarse enough that nobody is known by a number, and fine enough for a sentence."""


@dataclass(frozen=True)
class Figures:
    """The numbers of one subject, by name, with what each means."""

    of: Literal["customer", "segment"]
    values: Mapping[str, Value]
    meanings: Mapping[str, str]

    @property
    def key(self) -> str:
        """The same for the same numbers, whoever they are of."""
        whole = json.dumps([self.of, dict(self.values)], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()[:32]


def of_customer(profile: ServedProfile, personas: Sequence[ServedPersona]) -> Figures:
    """The figures of a customer's profile and personas; what is not known is left out."""
    told = {name: getattr(profile, name) for name in OF_PROFILE}
    meanings = {name: str(Profile.model_fields[name].description) for name in OF_PROFILE}
    return _figures("customer", {**told, "persona": told_persona(personas)}, {**meanings, "persona": PERSONA})


def of_segment(persona: str, row: Mapping[str, object]) -> Figures:
    """The figures of all users of a persona."""
    told = {name: row.get(name) for name in OF_SEGMENT}
    return _figures("segment", {**told, "persona": persona}, {**OF_SEGMENT, "persona": PERSONA})


def _figures(of: Literal["customer", "segment"], told: Mapping[str, object], meanings: Mapping[str, str]) -> Figures:
    values = {name: _plain(value) for name, value in told.items() if value is not None}
    return Figures(of, values, {name: meanings[name] for name in values})


def _plain(value: object) -> Value:
    return value if isinstance(value, str) else coarse(float(value))  # type: ignore[arg-type]


def coarse(number: float) -> float | int:
    """The number with three significant digits; whole where it is at least 100."""
    if number == 0:
        return 0
    rounded = round(number, SIGNIFICANT_DIGITS - 1 - floor(log10(abs(number))))
    return int(rounded) if rounded == int(rounded) else rounded
