"""The analysts' views and charts on the demo's data, beside the same figures counted from the simulated events."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec
import pytest

from deploy.dashboards.page import page
from deploy.local.complete_journey import baskets, hold_back_last
from deploy.local.features import make_features
from deploy.local.insight import search_insight
from deploy.local.simulation import events_of
from deploy.local.stack import LocalStack
from deploy.local.walk import Walk
from shopstream.capture import Capture
from shopstream.ml_features.charts.chart import CHARTS
from shopstream.ml_features.charts.rows import rows_of_charts
from shopstream.ml_features.parameters import last_window_end
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import ask
from shopstream.schemas import read_settings
from shopstream.schemas.live.session_counts import SessionCounts, count_in, live_session
from shopstream.schemas.structs import STRUCTS

SEED, HOUSEHOLDS, DAYS, MINIMUM_USERS = 2017, 40, 70, 4
Event = dict[str, Any]


@dataclass
class Demo:
    """A small demo, run to its end, and what went into it."""

    walk: Walk
    settings: FeatureSettings
    as_of: date
    events: Sequence[Event]

    @cached_property
    def window_end(self) -> date:
        return last_window_end(self.as_of, self.settings.aggregates_window_days)

    @cached_property
    def first_day(self) -> date:
        return self.window_end - timedelta(days=self.settings.aggregates_window_days - 1)

    def rows(self, statement: str) -> list[Event]:
        return ask(self.walk.client, self.settings, statement)

    def within(self, event_type: str) -> list[Event]:
        """Events of the type within the days the views have."""
        return [
            event
            for event in self.events
            if event["event_type"] == event_type and self.first_day <= event["occurred_at"].date() <= self.as_of
        ]

    def sessions(self) -> dict[str, list[Event]]:
        """Events of each session that began within the days."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in sorted(self.events, key=lambda event: event["occurred_at"]):
            found[event["session_id"]].append(event)
        return {
            name: steps
            for name, steps in found.items()
            if self.first_day <= steps[0]["occurred_at"].date() and steps[-1]["occurred_at"].date() <= self.as_of
        }


@pytest.fixture(scope="module")
def demo(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    history, _ = hold_back_last(baskets(HOUSEHOLDS, DAYS))
    events = [dict(fields) for fields in events_of(history, SEED)]

    def give(capture: Capture) -> Iterator[object]:
        for fields in events:
            yield capture.track(fields)

    names = {
        "BIGQUERY_DATASET": "views_of_the_demo",
        "PUBSUB_TOPIC": "views-of-the-demo",
        "PUBSUB_SUBSCRIPTION": "views-of-the-demo-pipeline",
        "AGGREGATES_MINIMUM_USERS": str(MINIMUM_USERS),
        "AGGREGATES_ROUNDING": "1",
    }
    with Walk(stack, tmp_path_factory.mktemp("demo"), settings=names, duplicate_every=10) as walk:
        walked = walk.await_stored(walk.send(give, lambda _: None), lambda _: None)
        assert walked.lost == 0
        settings = read_settings(FeatureSettings, walk.environment)
        as_of = make_features(walk.client, settings, datetime.now(UTC), lambda _: None)
        assert as_of is not None
        yield Demo(walk, settings, as_of, events)


def test_the_funnel_counts_what_was_simulated(demo: Demo) -> None:
    searches, interactions, orders = (demo.within(kind) for kind in ("search", "interaction", "order"))
    touched: defaultdict[str, set[str]] = defaultdict(set)
    for event in interactions:
        touched[event["action"]].add(event["query_id"])
    named = {event["query_id"] for event in orders if "query_id" in event}
    expected = Counter(event["occurred_at"].date() for event in searches)
    found = demo.rows("SELECT day, SUM(searches) AS n FROM search_funnel GROUP BY day")
    assert {row["day"]: row["n"] for row in found} == expected
    (totals,) = demo.rows(
        "SELECT SUM(answered) AS answered, SUM(clicked) AS clicked, SUM(carted) AS carted, SUM(ordered) AS ordered "
        "FROM search_funnel"
    )
    ids = {event["query_id"] for event in searches}
    assert totals == {
        "answered": len(searches),
        "clicked": len(ids & touched["click"]),
        "carted": len(ids & touched["cart_add"]),
        "ordered": len(ids & named),
    }


def test_positions_count_what_stood_there(demo: Demo) -> None:
    shown = Counter(result["position"] for event in demo.within("search") for result in event["results"])
    clicked = Counter(event["position"] for event in demo.within("interaction") if event["action"] == "click")
    rows = demo.rows(
        "SELECT position, SUM(shown) AS shown, SUM(clicked) AS clicked FROM search_funnel_by_position GROUP BY position"
    )
    assert {row["position"]: row["shown"] for row in rows} == shown
    assert {row["position"]: row["clicked"] for row in rows if row["clicked"]} == clicked


def test_queries_of_enough_users_are_told_and_no_others(demo: Demo) -> None:
    users: defaultdict[str, set[str]] = defaultdict(set)
    for event in demo.within("search"):
        if event["occurred_at"].date() <= demo.window_end:
            users[event["query"]].add(event["user_id"])
    expected = {query: len(who) for query, who in users.items() if len(who) >= MINIMUM_USERS}
    assert expected
    rows = demo.rows("SELECT query, users FROM queries WHERE query IS NOT NULL")
    assert {row["query"]: row["users"] for row in rows} == expected
    # Every simulated search finds something and is clicked.
    assert demo.rows("SELECT * FROM unsuccessful_searches") == []
    insight = search_insight(demo.walk.client, demo.settings, demo.as_of)
    assert [row["users"] for row in insight.queries] == sorted(expected.values(), reverse=True)[:5]


def test_sessions_and_active_users_are_those_who_came(demo: Demo) -> None:
    sessions = demo.sessions()
    rows = demo.rows(
        "SELECT session_id, user_id, entry_step, exit_step, searches, clicks, orders, converted, revenue, "
        "ARRAY_LENGTH(steps) AS steps FROM session_journeys"
    )
    assert {row["session_id"] for row in rows} == set(sessions)
    for row in rows:
        steps = sessions[row["session_id"]]
        kinds = [step.get("action") or step["event_type"] for step in steps]
        assert (row["entry_step"], row["exit_step"], row["steps"]) == (kinds[0], kinds[-1], len(kinds))
        assert (row["searches"], row["clicks"], row["orders"]) == tuple(
            kinds.count(kind) for kind in ("search", "click", "order")
        )
        assert row["converted"] is True
        assert row["revenue"] == sum(step["total_amount"] for step in steps if step["event_type"] == "order")
    who: defaultdict[date, set[str]] = defaultdict(set)
    for steps in sessions.values():
        who[steps[0]["occurred_at"].date()].add(steps[0]["user_id"])
    active = demo.rows("SELECT day, users, buyers FROM daily_active_users")
    assert {row["day"]: row["users"] for row in active} == {day: len(users) for day, users in who.items()}
    assert all(row["users"] == row["buyers"] for row in active)


def test_products_sold_what_was_in_the_baskets(demo: Demo) -> None:
    orders: Counter[tuple[date, str]] = Counter()
    revenue: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for event in demo.within("order"):
        day = event["occurred_at"].date()
        orders.update({(day, item["product_id"]) for item in event["items"]})
        for item in event["items"]:
            revenue[day, item["product_id"]] += item["quantity"] * item["unit_price"]
    rows = demo.rows("SELECT day, product_id, orders, revenue FROM product_performance WHERE orders > 0")
    assert {(row["day"], row["product_id"]): row["orders"] for row in rows} == orders
    assert {(row["day"], row["product_id"]): row["revenue"] for row in rows} == revenue


def test_cohorts_are_the_users_of_their_first_week(demo: Demo) -> None:
    weeks: defaultdict[str, set[date]] = defaultdict(set)
    for steps in demo.sessions().values():
        day = steps[0]["occurred_at"].date()
        weeks[steps[0]["user_id"]].add(day - timedelta(days=day.weekday()))
    expected: Counter[tuple[date, int]] = Counter()
    for seen in weeks.values():
        expected.update((min(seen), (week - min(seen)).days // 7) for week in seen)
    rows = demo.rows("SELECT cohort_week, weeks_later, users, cohort_users FROM cohort_retention")
    assert {(row["cohort_week"], row["weeks_later"]): row["users"] for row in rows} == expected
    assert all(row["cohort_users"] == expected[row["cohort_week"], 0] for row in rows)


def test_every_chart_but_that_of_failures_has_something_to_show(demo: Demo) -> None:
    rows = rows_of_charts(demo.walk.client, demo.settings, demo.first_day, demo.as_of)
    assert {name for name, found in rows.items() if not found} == {"unsuccessful_queries"}
    text = page(rows, demo.first_day, demo.as_of)
    assert text.count("<section>") == len(CHARTS)
    assert text.count("Nothing in these days.") == 1
    # The chart library is in it, once, and nothing is fetched.
    assert text.count("<script src=") == 0
    assert text.count("plotly.js v") == 1
    assert str(rows["top_queries"][0]["query"]) in text


def test_sessions_counted_as_they_go_on_are_those_of_the_nightly_job(demo: Demo) -> None:
    counted: dict[str, SessionCounts | None] = {}
    for fields in reversed(demo.events):  # in any order, some of them twice
        line = msgspec.json.encode({"schema_version": 1, **fields})
        event = msgspec.json.decode(line, type=STRUCTS[fields["event_type"]])
        for _ in range(1 + int(event.event_id[-1], 16) % 2):
            counted[fields["session_id"]] = count_in(counted.get(fields["session_id"]), event)
    rows = demo.rows("SELECT * FROM sessions")
    assert len(rows) > 100
    for row in rows:
        session = counted[row["session_id"]]
        assert session is not None
        live = live_session(session, row["session_id"], row["user_id"], datetime.now(UTC))
        for name in ("user_id", "started_at", "ended_at", "searches", "views", "clicks", "cart_adds", "orders"):
            assert getattr(live, name) == row[name], name
        assert [line.model_dump() for line in live.cart] == [dict(line) for line in row["cart"] or ()]
        assert live.events == len(row["steps"])
