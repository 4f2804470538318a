"""For what products are found, told without anybody being told of."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..quantities import Count
from ..table import Dataset, Table
from .query import QUERIES_EXPIRY_DAYS


class ProductQuery(Record):
    """One product among the results of one query, for enough users in one window, and what they did with it there.

    Counts are of users, rounded, and with noise where that is set: docs/privacy.md.
    """

    as_of: date = Field(description="The last day (UTC) of the window; the partition. Windows do not overlap.")
    window_days: Count = Field(description="How many days the window has.")
    product_id: Opaque = Field(description="The product.")
    query: str = Field(description="The query as it is compared with others.")
    users: Count = Field(description="Users shown it for the query, before rounding at least AGGREGATES_MINIMUM_USERS.")
    clicked: Count = Field(description="Of these, those who clicked it there.")
    carted: Count = Field(description="Those who put it into the cart there.")
    ordered: Count = Field(description="Those with it in an order that names the search.")

    table: ClassVar[Table] = Table(
        "product_queries",
        Dataset.AGGREGATES,
        partition_by="as_of",
        expiry_days=QUERIES_EXPIRY_DAYS,
        cluster_by=("product_id",),
        published_once=True,
    )
