"""Which events are one visit, what it began with, and what is remembered of it."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.pipeline.visits import (
    BOT_EVENTS_A_MINUTE,
    GAP,
    MOST_VISITS,
    REMEMBERED,
    Visit,
    Visitors,
    first_query_of,
    forget,
    visit_of,
    visitor_of,
)
from shopstream.schemas.identifiers import make_event_id
from shopstream.schemas.structs import WHOLE_STRUCTS, EventStruct

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWN: dict[str, dict[str, Any]] = {
    "search": {"query_id": "q-1", "query": "milk"},
    "interaction": {"action": "click", "product_id": "p"},
    "order": {
        "order_id": "o",
        "status": "placed",
        "items": [{"product_id": "p", "quantity": 1, "unit_price": "1"}],
        "currency": "EUR",
        "total_amount": "1",
    },
    "consent": {"purpose": "analytics", "granted": True, "policy_version": "1"},
}


def event(event_type: str, minute: float = 0, **fields: Any) -> EventStruct:
    moment = START + timedelta(minutes=minute)
    return msgspec.convert(
        {
            "event_type": event_type,
            "event_id": make_event_id(moment, Random(minute)),
            "schema_version": 1,
            "occurred_at": moment,
            "source": "shop",
            "user_id": "u-1",
            **OWN[event_type],
            **fields,
        },
        WHOLE_STRUCTS[event_type],
    )


def visits(events: list[EventStruct], visitors: Visitors | None = None) -> list[Visit]:
    """The visit of each event, in the order they arrive; each as it was then."""
    remembered: Visitors = {} if visitors is None else visitors
    return [msgspec.structs.replace(visit_of(remembered, visitor_of(each) or "", each, START)) for each in events]


def test_events_within_half_an_hour_are_one_visit_and_a_longer_gap_begins_another() -> None:
    first, second, third = visits([event("search"), event("order", 30), event("interaction", 60.001)])
    assert first.session_id == second.session_id != third.session_id


def test_a_visit_may_last_as_long_as_there_is_no_gap() -> None:
    assert len({visit.session_id for visit in visits([event("interaction", 25 * n) for n in range(20)])}) == 1


def test_users_do_not_share_a_visit() -> None:
    first, second = visits([event("search"), event("search", user_id="u-2")])
    assert first.session_id != second.session_id


def test_the_session_that_the_source_names_is_kept_whatever_the_gap() -> None:
    named = visits([event("search", session_id="s-1"), event("order", 300, session_id="s-1")])
    assert [visit.session_id for visit in named] == ["s-1", "s-1"]


def test_an_order_without_a_session_joins_the_users_named_one() -> None:
    _, order = visits([event("search", session_id="s-1"), event("order", 5)])
    assert order.session_id == "s-1"


def test_nobodys_session_is_a_visitor_and_nobody_without_one_is_none() -> None:
    assert visitor_of(event("search", user_id=None, session_id="s-1")) == "session s-1"
    assert visitor_of(event("search", user_id=None)) is None
    assert visitor_of(event("consent")) is None


def test_a_user_called_like_a_session_is_another_visitor() -> None:
    assert visitor_of(event("search", user_id="s-1")) != visitor_of(event("search", user_id=None, session_id="s-1"))


def test_later_events_carry_the_search_that_the_visit_began_with() -> None:
    events = [
        event("interaction", 0),
        event("search", 1, query_id="first"),
        event("interaction", 2),
        event("search", 3, query_id="second"),
        event("order", 4),
        event("order", 90),
    ]
    touched = [first_query_of(visit, each) for visit, each in zip(visits(events), events, strict=True)]
    assert touched == [None, "first", "first", "first", "first", None]


def test_a_search_that_arrives_late_is_the_first_for_what_comes_after_it() -> None:
    events = [event("search", 5, query_id="second"), event("search", 1, query_id="first"), event("order", 6)]
    assert first_query_of(visits(events)[-1], events[-1]) == "first"
    assert first_query_of(visits(events)[-1], event("interaction", 0.5)) is None


def test_an_event_between_two_visits_joins_the_earlier_and_both_go_on() -> None:
    one, other, between, later = visits(
        [event("search", 0), event("search", 50), event("interaction", 25), event("order", 80)]
    )
    assert one.session_id == between.session_id
    assert later.session_id == other.session_id


def test_more_events_in_a_minute_than_a_person_makes_are_a_bots() -> None:
    events = [event("interaction", n / 200) for n in range(BOT_EVENTS_A_MINUTE + 1)]
    found = [visit.is_bot for visit in visits(events)]
    assert found == [False] * BOT_EVENTS_A_MINUTE + [True]
    assert visits([*events, event("order", 20)])[-1].is_bot


@pytest.mark.parametrize(("action", "bot"), [("click", True), ("impression", False)])
def test_impressions_come_many_at_a_time_and_make_no_bot(action: str, *, bot: bool) -> None:
    events = [event("interaction", 0, action=action) for _ in range(2 * BOT_EVENTS_A_MINUTE)]
    assert visits(events)[-1].is_bot is bot


def test_a_busy_hour_is_no_bot() -> None:
    assert not visits([event("interaction", n / 100) for n in range(6000)])[-1].is_bot


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 3)), max_size=60))
def test_an_event_seen_twice_is_in_the_same_visit_twice(moments: list[tuple[int, int]]) -> None:
    once: Visitors = {}
    twice: Visitors = {}
    events = [event("search", minute, user_id=f"u-{user}") for minute, user in sorted(moments)]
    expected = [visit.session_id for visit in visits(events, once)]
    assert [visit.session_id for each in events for visit in visits([each, each], twice)] == [
        session_id for session_id in expected for _ in range(2)
    ]


@given(st.lists(st.integers(0, 300), max_size=30))
def test_in_their_order_visits_are_the_runs_without_a_gap(minutes: list[int]) -> None:
    events = [event("interaction", minute) for minute in sorted(minutes)]
    found = visits(events)
    for (earlier, before), (later, after) in zip(
        zip(events, found, strict=True), list(zip(events, found, strict=True))[1:], strict=False
    ):
        joined = later.occurred_at - earlier.occurred_at <= GAP
        assert (before.session_id == after.session_id) is joined


@given(st.randoms(use_true_random=False))
def test_a_little_disorder_changes_no_visit(random: Random) -> None:
    """Events 5 minutes apart in three visits, arriving up to 25 minutes out of order."""
    minutes = [start + 5 * n for start in (0, 100, 200) for n in range(8)]
    arriving = sorted(minutes, key=lambda minute: minute + random.uniform(0, 25))
    found = dict(zip(arriving, visits([event("search", minute) for minute in arriving]), strict=True))
    assert [len({found[minute].session_id for minute in minutes[n : n + 8]}) for n in (0, 8, 16)] == [1, 1, 1]
    assert len({visit.session_id for visit in found.values()}) == 3


def test_visitors_of_whom_nothing_comes_are_forgotten() -> None:
    visitors: Visitors = {}
    visits([event("search"), event("search", user_id="u-2")], visitors)
    forget(visitors, START + REMEMBERED)
    assert len(visitors) == 2
    visit_of(visitors, "user u-1", event("search"), START + timedelta(hours=1))
    forget(visitors, START + REMEMBERED + timedelta(seconds=1))
    assert list(visitors) == ["user u-1"]


def test_of_one_visitor_only_so_many_visits_are_remembered() -> None:
    visitors: Visitors = {}
    visits([event("search", 60 * n) for n in range(3 * MOST_VISITS)], visitors)
    assert len(visitors["user u-1"].visits) == MOST_VISITS
    assert min(visit.began_at for visit in visitors["user u-1"].visits) == START + timedelta(hours=2 * MOST_VISITS)
