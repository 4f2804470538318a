"""What is searched for, told without anybody being told of."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..quantities import Count
from ..table import Dataset, Table

QUERIES_EXPIRY_DAYS = 730


class Query(Record):
    """One query that enough users searched for in one window, and what came of it; rarer ones together by intent.

    All counts but the last are of users, rounded, and with noise where that is set: docs/privacy.md.
    """

    as_of: date = Field(description="The last day (UTC) of the window; the partition. Windows do not overlap.")
    window_days: Count = Field(description="How many days the window has.")
    query: str | None = Field(
        None, description="The query as it is compared with others; null for the rarer ones of the intent together."
    )
    intent: str | None = Field(
        None, description="The label most searches for it had; null, with `query` null, for the rest of all intents."
    )
    users: Count = Field(description="Users who searched for it, before rounding at least AGGREGATES_MINIMUM_USERS.")
    clicked: Count = Field(description="Of these, those who clicked a result.")
    carted: Count = Field(description="Those who put a result into the cart.")
    ordered: Count = Field(description="Those who ordered and whose order names the search.")
    without_results: Count = Field(description="Those who at least once found nothing.")
    abandoned: Count = Field(description="Those who at least once were shown results and took none.")
    searches: Count = Field(description="Searches, at most ten counted of a user.")

    table: ClassVar[Table] = Table(
        "queries",
        Dataset.AGGREGATES,
        partition_by="as_of",
        expiry_days=QUERIES_EXPIRY_DAYS,
        cluster_by=("query",),
        published_once=True,
    )
