"""A shopper searched."""

from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Arrival, Event, Record, VisitArrival, event_table
from ..field_rules import FieldRule, InRange, RequiredShare
from ..identifiers import Opaque
from ..quantities import Count, Milliseconds, Ordinal
from ..table import Table

Channel = Literal["web", "app", "store", "voice", "other"]


class Intent(Record):
    """What the query was taken to be about."""

    label: Literal["navigational", "category", "product", "attribute", "reorder", "question", "other"] = Field(
        description="The kind of intent."
    )
    confidence: float = Field(ge=0, le=1, description="How sure the classifier was, 0 to 1.")
    classifier: Opaque = Field(description="Name and version of the classifier.")


class Filter(Record):
    """One narrowing of the results."""

    name: Opaque = Field(description="What was filtered by.")
    value: str = Field(max_length=1024, description="The value chosen.")


class SearchResult(Record):
    """One product that was shown."""

    product_id: Opaque = Field(description="The product shown.")
    position: Ordinal = Field(description="Its place among all results, from 1, running on across pages.")


class SearchArrival(VisitArrival):
    """What the pipeline adds to a search."""

    normalised_query: str | None = Field(
        None,
        description="The query as it is compared with others: no capitals, no accents, single spaces between words.",
    )


class Search(Event):
    """A query was answered with a list of products."""

    event_type: Literal["search"] = Field("search", description="Always `search`.")
    query_id: Opaque = Field(description="Ties later interactions and orders to this search.")
    query: str = Field(max_length=2048, description="The text typed, scrubbed of personal data before it is kept.")
    intent: Intent | None = Field(None, description="What the query was taken to be about.")
    filters: tuple[Filter, ...] = Field((), max_length=64, description="Narrowings in force.")
    sort: Opaque | None = Field(None, description="The order asked for; null for relevance.")
    page: Ordinal = Field(1, description="The page of results, from 1.")
    total_results: Count | None = Field(None, description="How many products matched in all.")
    results: tuple[SearchResult, ...] = Field((), max_length=1000, description="What was shown, in order.")
    latency_ms: Milliseconds | None = Field(None, description="Time to answer, in milliseconds.")
    channel: Channel | None = Field(None, description="Where the shopper was.")
    error: Opaque | None = Field(
        None,
        description="What ended the search without an answer, as one word such as `TimeoutError`; null when answered.",
    )

    table: ClassVar[Table] = event_table("searches", cluster_by=("user_id", "query_id"))
    arrival: ClassVar[type[Arrival]] = SearchArrival
    quality: ClassVar[tuple[FieldRule, ...]] = (
        RequiredShare("session_id", 0.5),
        RequiredShare("intent", 0.5),
        InRange("latency_ms", 0, 60_000),
    )
