"""What the demo shows of the analysts' views: the search funnel and the queries most people searched for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TextIO

from google.cloud import bigquery

from shopstream.ml_features.parameters import last_window_end
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import Parameter, Row, ask

_FUNNEL = """
SELECT
  intent, SUM(searches) AS searches, SUM(answered) AS answered, SUM(clicked) AS clicked, SUM(carted) AS carted,
  SUM(ordered) AS ordered
FROM search_funnel
WHERE day BETWEEN @first_day AND @as_of
GROUP BY intent
ORDER BY searches DESC, intent
"""
_QUERIES = """
SELECT query, intent, users, clicked, ordered FROM queries
WHERE as_of = @as_of AND query IS NOT NULL
ORDER BY users DESC, query
LIMIT 5
"""
_STAGES = ("searches", "answered", "clicked", "carted", "ordered")


@dataclass(frozen=True)
class SearchInsight:
    """One window of searching."""

    first_day: date
    last_day: date
    minimum_users: int
    funnel: Sequence[Row]
    queries: Sequence[Row]
    """At most five, the most searched first."""


def search_insight(client: bigquery.Client, settings: FeatureSettings, as_of: date) -> SearchInsight:
    """The last window that ended by as_of."""
    end = last_window_end(as_of, settings.aggregates_window_days)
    start = end - timedelta(days=settings.aggregates_window_days - 1)
    until = Parameter("as_of", "DATE", end)
    return SearchInsight(
        start,
        end,
        settings.aggregates_minimum_users,
        ask(client, settings, _FUNNEL, [Parameter("first_day", "DATE", start), until]),
        ask(client, settings, _QUERIES, [until]),
    )


def print_insight(insight: SearchInsight, out: TextIO) -> None:
    """The funnel by intent, and the queries that enough people searched for."""
    print(f"\n── searches from {insight.first_day} to {insight.last_day} {'─' * 60}", file=out)
    print(f"   {'intent':<14}" + "".join(f"{stage:>10}" for stage in _STAGES), file=out)
    for row in insight.funnel:
        print(f"   {row['intent'] or '':<14}" + "".join(f"{row[stage]:>10,}" for stage in _STAGES), file=out)
    print(
        f"   queries of at least {insight.minimum_users} users, rounded; rarer ones are told by intent only:", file=out
    )
    for row in insight.queries:
        print(f"   {row['users']:>6,} users  {row['ordered']:>6,} ordered  {row['query']}", file=out)
    if not insight.queries:
        print("   none", file=out)
