"""A shopper did something with one product."""

from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Arrival, Event, TouchArrival, event_table
from ..field_rules import FieldRule, InRange, RefersTo, RequiredShare
from ..identifiers import Opaque
from ..quantities import Currency, Milliseconds, Money, Ordinal, Quantity
from ..table import Table


class Interaction(Event):
    """A shopper did something with one product."""

    event_type: Literal["interaction"] = Field("interaction", description="Always `interaction`.")
    action: Literal["impression", "view", "click", "cart_add", "cart_remove", "favourite"] = Field(
        description="What was done."
    )
    product_id: Opaque = Field(description="The product it was done with.")
    query_id: Opaque | None = Field(None, description="The search it came from, if any.")
    position: Ordinal | None = Field(None, description="The product's place in that search's results, from 1.")
    quantity: Quantity | None = Field(None, description="How much was added or removed, in units of sale.")
    unit_price: Money | None = Field(None, description="Price of one unit of sale, in `currency`.")
    currency: Currency | None = Field(None, description="ISO 4217 code of unit_price.")
    dwell_ms: Milliseconds | None = Field(None, description="How long the product was looked at, in milliseconds.")

    table: ClassVar[Table] = event_table("interactions", cluster_by=("user_id", "product_id"))
    arrival: ClassVar[type[Arrival]] = TouchArrival
    quality: ClassVar[tuple[FieldRule, ...]] = (
        RequiredShare("session_id", 0.5),
        RefersTo("query_id", "search"),
        InRange("position", 1, 10_000),
    )
