"""What was bought, cancelled and returned, kept longer than the events that said so."""

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import Opaque
from ..quantities import Currency, Money, Quantity
from ..table import Dataset, Table

PURCHASES_EXPIRY_DAYS = 730
"""Two years, so that a yearly habit shows twice; raw orders stay 90 days only."""


class Purchase(Record):
    """One line of an order's change of state, by a user who may be known: the compact purchase history.

    Anonymous orders are not here; capture makes an order anonymous where consent is missing. Nor are, after the next
    run, those of a user who withdraws the consent to personalization.
    """

    user_id: Opaque = Field(description="Who ordered: an opaque identifier.")
    product_id: Opaque = Field(description="The product of the line.")
    category: Opaque | None = Field(None, description="Its category at the time of the order.")
    brand: Opaque | None = Field(None, description="Its brand at the time of the order.")
    order_id: Opaque = Field(description="Identity of the order; its changes of state share it.")
    status: Literal["placed", "cancelled", "returned"] = Field(description="The state the line reached.")
    ordered_at: UtcDatetime = Field(description="When the line reached that state. UTC, microseconds.")
    known_at: UtcDatetime = Field(
        description="From when a feature may use the line: arrival, or for imported history its occurrence. UTC."
    )
    quantity: Quantity = Field(description="How much of it, in units of sale.")
    unit_price: Money = Field(description="Price paid for one unit of sale, in `currency`.")
    currency: Currency = Field(description="ISO 4217 code of unit_price.")
    received_on: date = Field(description="The day (UTC) the pipeline got the order; the partition.")

    table: ClassVar[Table] = Table(
        "purchases",
        Dataset.FEATURES,
        partition_by="received_on",
        expiry_days=PURCHASES_EXPIRY_DAYS,
        cluster_by=("user_id", "product_id"),
        erase_by="user_id",
        purpose="personalization",
        days_per_run=8,
    )
