"""What a user may buy that the user has not bought."""

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..table import Dataset, Table

EXPLORATIONS_EXPIRY_DAYS = 90
MOST_EXPLORATIONS = 30


class Exploration(Record):
    """One user of `profiles` and one of the 30 available products the user may try first.

    The score adds up four parts, each a product's share of a whole: 1 of what everyone buys lately; 0.15 of what goes
    in an order with, and 0.5 of what has the same buyers as, the 30 products the user bought most and last; and, the
    less the user has bought, what sells in the categories the user buys and looks at.
    """

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    user_id: Opaque = Field(description="Whom it is for: an opaque identifier.")
    product_id: Opaque = Field(description="A product the user did not buy in the 365 days up to as_of.")
    category: Opaque | None = Field(None, description="Its category, as in `product_popularity`.")
    rank: int = Field(ge=1, le=MOST_EXPLORATIONS, description="Place by score, from 1.")
    score: float = Field(ge=0, description="The sum of the four parts.")
    rate: float = Field(
        ge=0,
        description="How often it would be bought in 30 days if the products new to the user that are expected then, "
        "as many as in the last 90 days, were bought by score.",
    )
    probability: float = Field(
        ge=0,
        lt=1,
        description="Chance of buying it within 30 days, 0 to 1: caught * (1 - exp(-rate)), where caught is how much "
        "was bought of what was named 30 days before, by the sum of its 1 - exp(-rate); 0.1 where nothing was named.",
    )
    popular: float = Field(ge=0, le=1, description="Its share of what everyone bought lately.")
    goes_with: float = Field(ge=0, le=0.15, description="The part of what goes with the user's products in an order.")
    same_buyers: float = Field(ge=0, le=0.5, description="The part of what has the same buyers as these.")
    in_category: float = Field(
        ge=0,
        le=1,
        description="The part of the user's ten greatest categories: the share of the user's interest (purchases, and "
        "views, clicks, favourites and cart adds of 60 days) in the category, times the product's share of what sells "
        "in it, divided by 1 plus the number of products the user bought.",
    )
    source: Literal["popular", "goes_with", "same_buyers", "in_category"] = Field(
        description="The greatest part; of equal ones the last in this order."
    )
    because_product_id: Opaque | None = Field(
        None, description="The user's product that says most for it; null where none does."
    )
    together_orders: int | None = Field(None, ge=0, description="Orders of everyone with both; null likewise.")
    together_users: int | None = Field(None, ge=3, description="Users who bought both; null likewise.")
    buyers: int = Field(ge=0, description="Users who bought it in the last 28 days.")

    table: ClassVar[Table] = Table(
        "explorations",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=EXPLORATIONS_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="personalization",
    )
