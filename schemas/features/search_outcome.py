"""What came of each search."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record, UtcDatetime
from ..identifiers import Opaque
from ..quantities import Count, Ordinal
from ..table import Dataset, Table

SEARCH_OUTCOMES_EXPIRY_DAYS = 90


class SearchOutcome(Record):
    """One search by a shopper, all its pages together, and what came of it: clicks, carts and orders that name it."""

    day: date = Field(description="The day (UTC) of the search; the partition.")
    query_id: Opaque = Field(description="Identity of the search.")
    occurred_at: UtcDatetime = Field(description="When its first page was answered. UTC, microseconds.")
    user_id: Opaque | None = Field(None, description="Who searched: an opaque identifier; null when not known.")
    session_id: Opaque | None = Field(None, description="The visit it belongs to.")
    normalised_query: str | None = Field(
        None, description="The query without capitals, accents and superfluous blanks, scrubbed of personal data."
    )
    intent: str | None = Field(None, description="The label of what the query was taken to be about.")
    channel: str | None = Field(None, description="Where the shopper was.")
    pages: Ordinal = Field(description="Pages of results that were looked at.")
    without_results: bool = Field(description="True where it was answered and nothing was found.")
    error: str | None = Field(None, description="What ended it without an answer, as one word.")
    clicks: Count = Field(description="Clicks on its results.")
    first_click_position: Ordinal | None = Field(None, description="Place of the result that was clicked first.")
    clicked: bool = Field(description="True where a result was clicked.")
    carted: bool = Field(description="True where a result was put into the cart.")
    ordered: bool = Field(description="True where an order names it.")
    abandoned: bool = Field(description="True where there were results and none was clicked, carted or ordered.")

    table: ClassVar[Table] = Table(
        "search_outcomes",
        Dataset.FEATURES,
        partition_by="day",
        expiry_days=SEARCH_OUTCOMES_EXPIRY_DAYS,
        cluster_by=("user_id", "query_id"),
        erase_by="user_id",
        purpose="analytics",
        days_per_run=8,
    )
