"""The weights that turn what is known of a user and a product into a probability."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..table import Dataset, Table

REORDER_WEIGHTS_EXPIRY_DAYS = 730


class ReorderWeight(Record):
    """One weight of the logistic models behind `reorders`, as fitted up to as_of; says nothing of anyone."""

    as_of: date = Field(description="The last day (UTC) the fit looked at; the partition.")
    horizon_days: int | None = Field(
        None, ge=1, description="Buying again within so many days, 7 or 30, is what it weighs; null means 30."
    )
    feature: Opaque = Field(description="Name of a field of `reorders.inputs`, or `intercept`.")
    weight: float = Field(description="What one unit of the input adds to the log-odds of buying again.")
    fitted_pairs: int = Field(ge=0, description="Pairs of user and product it was fitted on; 0 for default weights.")
    fitted_bought: int = Field(ge=0, description="How many of them were bought again.")
    fitted_from: date | None = Field(
        None, description="as_of of the `reorders` it was fitted on; null for default weights."
    )
    fitted_to: date | None = Field(
        None, description="Last day on which buying again was watched, never after as_of; null for default weights."
    )

    table: ClassVar[Table] = Table(
        "reorder_weights",
        Dataset.FEATURES,
        partition_by="as_of",
        expiry_days=REORDER_WEIGHTS_EXPIRY_DAYS,
    )
