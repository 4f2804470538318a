"""How each place among search results did on each day."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..quantities import Count, Ordinal
from ..table import Dataset, Table

SEARCH_POSITIONS_EXPIRY_DAYS = 730


class SearchPosition(Record):
    """One place among results, for one intent, on one day: how often a product shown there was taken. About nobody."""

    day: date = Field(description="The day (UTC) of the search; the partition.")
    intent: str | None = Field(None, description="The label of what the queries were taken to be about.")
    position: Ordinal = Field(description="The place among all results, from 1.")
    shown: Count = Field(description="Products shown there.")
    clicked: Count = Field(description="Of these, those that were clicked.")
    carted: Count = Field(description="Those put into the cart.")
    ordered: Count = Field(description="Those in an order that names the search.")

    table: ClassVar[Table] = Table(
        "search_positions",
        Dataset.AGGREGATES,
        partition_by="day",
        expiry_days=SEARCH_POSITIONS_EXPIRY_DAYS,
        days_per_run=8,
    )
