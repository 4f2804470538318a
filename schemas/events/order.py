"""A shopper bought, cancelled or returned."""

from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Arrival, Event, Record, TouchArrival, event_table
from ..field_rules import FieldRule, InRange, RefersTo, RequiredShare
from ..identifiers import Opaque
from ..quantities import Currency, Money, Quantity
from ..table import Table
from .search import Channel


class OrderItem(Record):
    """One product within an order."""

    product_id: Opaque = Field(description="The product.")
    category: Opaque | None = Field(None, description="Its category at the time of the order.")
    brand: Opaque | None = Field(None, description="Its brand at the time of the order.")
    quantity: Quantity = Field(description="How much of it, in units of sale.")
    unit_price: Money = Field(description="Price paid for one unit of sale, in the order's currency.")


class Order(Event):
    """An order changed state."""

    event_type: Literal["order"] = Field("order", description="Always `order`.")
    order_id: Opaque = Field(description="Identity of the order; its changes of state share it.")
    status: Literal["placed", "cancelled", "returned"] = Field(description="The state it reached.")
    items: tuple[OrderItem, ...] = Field(
        min_length=1, max_length=5000, description="What was ordered, or what was cancelled or returned."
    )
    currency: Currency = Field(description="ISO 4217 code of every amount in the order.")
    total_amount: Money = Field(description="What was paid, in `currency`.")
    channel: Channel | None = Field(None, description="Where the order was placed.")
    query_id: Opaque | None = Field(None, description="The search that led to the order, where known.")

    table: ClassVar[Table] = event_table("orders", cluster_by=("user_id", "order_id"))
    arrival: ClassVar[type[Arrival]] = TouchArrival
    quality: ClassVar[tuple[FieldRule, ...]] = (
        RequiredShare("user_id", 0.5),
        RefersTo("query_id", "search", 0.9),
        InRange("total_amount", 0, 100_000),
    )
