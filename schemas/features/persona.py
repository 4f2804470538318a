"""What kind of shopper a customer is at present."""

from datetime import date
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..table import Dataset, Table

PERSONAS_EXPIRY_DAYS = 730

PersonaName: TypeAlias = Literal[
    "browser", "newcomer", "lapsing", "stock_up", "top_up", "explorer", "deal_seeker", "steady"
]


class Persona(Record):
    """One user of `profiles` and one window of days: the persona, since when, and the figures it was assigned by.

    Three are rules: `browser` never ordered, `lapsing` ordered before the window and not in it, `newcomer` ordered
    first in the window and at most twice. The others compare with all who ordered in the window: `stock_up` buys much
    at a time and seldom, `top_up` little and often, `explorer` what is new to the user, `deal_seeker` below the usual
    price. Whose greatest score is under 0.75 is `steady`, as is everyone where fewer than twenty ordered.
    """

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    user_id: Opaque = Field(description="Whose persona it is: an opaque identifier.")
    window_days: int = Field(ge=1, description="So many days up to as_of are looked at, 30 or 180.")
    persona: PersonaName = Field(
        description="The name, one of eight. A user keeps the one of the day before while its score is at least 0.65 "
        "and at most 0.1 below the greatest."
    )
    score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="The share of those who ordered in the window that the user is ahead of in what the persona is "
        "about, 0 to 1; null for `browser`, `newcomer`, `lapsing` and `steady`.",
    )
    since: date = Field(description="The first as_of from which on every computed date has this persona.")
    previous_persona: PersonaName | None = Field(None, description="The persona before that; null if none is known.")
    orders: int = Field(ge=0, description="Orders in the window of which at least one line was kept.")
    products_per_order: float | None = Field(
        None, ge=1, description="Mean number of different products in such an order; null without orders."
    )
    new_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of their lines with a product the user had not bought in the 365 days up to as_of before, "
        "0 to 1.",
    )
    deal_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of their lines paid at least 5 % less than usual, 0 to 1. Usual is the geometric mean of "
        "what everyone paid for the product in that currency in the 365 days up to as_of.",
    )

    table: ClassVar[Table] = Table(
        "personas",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=PERSONAS_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="personalization",
    )
