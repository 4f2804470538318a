"""What is expected of a customer in the time to come."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..table import Dataset, Table

CUSTOMER_OUTLOOKS_EXPIRY_DAYS = 90


class CustomerOutlook(Record):
    """One user who bought in the 730 days up to as_of, and whether and how often the user will buy again.

    Days with an order are counted, so that two orders of one day are one purchase. From the BG/NBD model (Fader,
    Hardie, Lee 2005) fitted to all users of the date; docs/models.md says how the chance to return is corrected.
    """

    as_of: date = Field(description="The day (UTC) up to whose end everything known is used; the partition.")
    user_id: Opaque = Field(description="Whose outlook it is: an opaque identifier.")
    horizon_days: int = Field(ge=1, description="So many days after as_of are looked at.")
    order_days: int = Field(ge=1, description="Days (UTC) on which the user ordered something that was kept.")
    alive_probability: float = Field(
        ge=0, le=1, description="Chance that the user has not left for good, by the BG/NBD model, 0 to 1."
    )
    return_probability: float = Field(
        ge=0, le=1, description="Chance of at least one order within the horizon, 0 to 1; churn risk is 1 less this."
    )
    expected_order_days: float = Field(ge=0, description="Mean number of days with an order within the horizon.")
    median_order_days: int = Field(
        ge=0, description="The number that half of such users stay at or below: the guess with the least error."
    )

    table: ClassVar[Table] = Table(
        "customer_outlooks",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=CUSTOMER_OUTLOOKS_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
        purpose="personalization",
    )
