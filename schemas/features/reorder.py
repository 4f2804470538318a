"""Who buys what again, and how likely that is within the next 7 and 30 days."""

from datetime import date
from typing import ClassVar, Protocol

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import Opaque
from ..table import Dataset, Table

REORDERS_EXPIRY_DAYS = 90
"""Weights are fitted on the rows of 30 days ago; two more months leave room to look back."""


class NextPurchase(Protocol):
    """When a product may be bought next, as a table or what is served says it."""

    @property
    def next_in_days_early(self) -> float | None:
        """Days until it was bought with a chance of 10 %."""

    @property
    def next_in_days_middle(self) -> float | None:
        """With a chance of 50 %."""

    @property
    def next_in_days_late(self) -> float | None:
        """With a chance of 90 %."""


def next_in_words(predicted: NextPurchase) -> str:
    """When the next purchase is expected: the median, and the days between which it comes 8 times out of 10."""
    early, middle, late = predicted.next_in_days_early, predicted.next_in_days_middle, predicted.next_in_days_late
    if early is None:
        return "hardly within a year"
    if middle is None:
        return f"in {early:.0f} days or much later"
    return f"in about {middle:.0f} days ({early:.0f} to {'over a year' if late is None else f'{late:.0f}'})"


class ReorderInputs(Record):
    """What the model sees of a user and a product. One weight each, of the same name, in `reorder_weights`."""

    purchases_log: float = Field(description="Natural logarithm of `purchases`.")
    decayed_log: float = Field(description="Natural logarithm of `decayed_purchases` + 0.01.")
    recent_log: float = Field(description="Natural logarithm of 0.01 + purchases decayed with a half-life of 21 days.")
    overdue: float = Field(
        description="Logarithm of 1 + days_since_last / mean_gap_days (a gap of at least one day); 0 when bought once."
    )
    bought_once: float = Field(description="1 when bought once, otherwise 0.")
    basket_share_log: float = Field(
        description="Logarithm of the share of the user's decayed baskets that held the product, smoothed."
    )
    activity_log: float = Field(
        description="Logarithm of 0.1 + the user's baskets decayed with a half-life of 21 days."
    )
    repeat_rate_logit: float = Field(
        description="Log-odds that a buyer of the product bought it again, smoothed by ten average buyers."
    )
    rate_log: float = Field(description="Logarithm of purchases a day since the first, with one day added.")
    trend_log: float = Field(
        description="Logarithm of how much faster the product sells to everyone lately (10 days) than before (90)."
    )

    since_last_log: float | None = Field(None, description="Logarithm of 1 + days_since_last.")
    overdue_beyond: float | None = Field(
        None, description="What `overdue` exceeds the logarithm of 2 by: 0 up to one mean gap, then growing."
    )
    gap_log: float | None = Field(None, description="Logarithm of 1 + mean_gap_days; 0 when bought once.")
    gap_variation: float | None = Field(
        None, description="Standard deviation of the gaps divided by their mean; 0 with fewer than two gaps."
    )
    recent_10_log: float | None = Field(None, description="Like recent_log, with a half-life of 10 days.")
    decayed_45_log: float | None = Field(None, description="Like decayed_log, with a half-life of 45 days.")
    user_since_last_log: float | None = Field(
        None, description="Logarithm of 1 + days since the user's last order of anything."
    )
    user_overdue: float | None = Field(
        None, description="Logarithm of 1 + those days by the user's mean gap between orders (30 days with one order)."
    )
    user_decayed_log: float | None = Field(
        None, description="Logarithm of 0.1 + the user's baskets decayed with a half-life of 90 days."
    )
    basket_size_log: float | None = Field(None, description="Logarithm of the mean number of products in an order.")
    user_repeat_logit: float | None = Field(
        None, description="Log-odds that a line of the user is of a product bought before, smoothed."
    )
    user_again_logit: float | None = Field(
        None,
        description="Log-odds that a product the user bought more than once was bought in the last 30 days, smoothed.",
    )
    product_again_logit: float | None = Field(
        None, description="Log-odds that who bought the product more than once did in the last 30 days, smoothed."
    )
    product_rate_log: float | None = Field(
        None, description="Logarithm of the product's repeat purchases a day since its buyers' first, smoothed."
    )
    category_share_log: float | None = Field(
        None,
        description="Logarithm of the product's share of the user's decayed orders of its category; 0 without.",
    )
    category_overdue: float | None = Field(
        None, description="Like `overdue`, of the category; 0 without a category or with one order of it."
    )


class ProductPrediction(Record):
    """A user and a product, with the probability of buying it: what every tier says of it."""

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    user_id: Opaque = Field(description="Who bought: an opaque identifier.")
    product_id: Opaque = Field(description="The product.")
    category: Opaque | None = Field(None, description="The product's category, as last bought.")
    rank: int = Field(ge=1, description="Place among the user's products, from 1, the most probable first.")
    probability: float = Field(
        ge=0, le=1, description="Chance that the user buys the product again within 30 days after as_of, 0 to 1."
    )
    probability_7_days: float | None = Field(
        None, ge=0, le=1, description="Chance that the user buys the product again within 7 days after as_of, 0 to 1."
    )
    next_in_days_early: float | None = Field(
        None,
        ge=0,
        description="Days after as_of before which the next purchase comes with a chance of 10 %; null beyond 365. "
        "With the next two fields the distribution of the next date: a Weibull one through both probabilities.",
    )
    next_in_days_middle: float | None = Field(None, ge=0, description="The same with a chance of 50 %, the median.")
    next_in_days_late: float | None = Field(None, ge=0, description="The same with a chance of 90 %.")


class Reorder(ProductPrediction):
    """One user and one product bought in the 365 days up to as_of, with the probability of buying it again."""

    purchases: int = Field(ge=1, description="Orders with the product that were kept, in the last 365 days.")
    last_purchased_at: UtcDatetime = Field(description="When it was last bought. UTC, microseconds.")
    days_since_last: float = Field(ge=0, description="From then to the end of as_of, in days of 24 hours.")
    mean_gap_days: float | None = Field(
        None, ge=0, description="Mean time between purchases, in days; null when bought once."
    )
    decayed_purchases: float = Field(
        ge=0, description="Purchases, each halved for every 90 days of its age: the decayed count."
    )
    inputs: ReorderInputs = Field(description="What the probability was computed from; later weights are fitted on it.")

    table: ClassVar[Table] = Table(
        "reorders",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=REORDERS_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="personalization",
    )


class ModelReorder(ProductPrediction):
    """One user and one product, bought before or not, with the probability of buying it, by the model tier."""

    purchases: int = Field(ge=0, description="Orders with the product that were kept, in the last 365 days; 0 if new.")
    days_since_last: float | None = Field(
        None,
        ge=0,
        description="From the last of them to the end of as_of, in days of 24 hours; null where there is none.",
    )
    model_version: Opaque = Field(description="The model: the day it knows, and a fingerprint of everything in it.")
    inputs: str | None = Field(
        None,
        description="What the probabilities were computed from, of the first 20 of a user: the model's inputs in its "
        "order, as little-endian 32-bit numbers in base64, a missing one NaN; null for the others.",
    )

    table: ClassVar[Table] = Table(
        "model_reorders",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=REORDERS_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="personalization",
    )
