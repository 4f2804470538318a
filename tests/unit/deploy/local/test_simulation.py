"""What is simulated around real orders: the same for a seed, said to be simulated, and consistent."""

from collections import Counter
from typing import Any

import pytest

from deploy.local.complete_journey import Basket, baskets, catalogue, hold_back_last
from deploy.local.simulation import FEWEST_PURCHASES, catalogue_events, events_of
from shopstream.schemas import read_event, write_fields


@pytest.fixture(scope="module")
def history() -> list[Basket]:
    return hold_back_last(baskets(20, 60))[0]


@pytest.fixture(scope="module")
def events(history: list[Basket]) -> list[dict[str, Any]]:
    return [dict(event) for event in events_of(history, seed=1)]


def test_the_same_seed_gives_the_same_events_and_another_seed_others(
    history: list[Basket], events: list[dict[str, Any]]
) -> None:
    assert [dict(event) for event in events_of(history, seed=1)] == events
    assert [dict(event) for event in events_of(history, seed=2)] != events


def test_every_basket_is_one_order_with_its_own_lines_and_time(
    history: list[Basket], events: list[dict[str, Any]]
) -> None:
    orders = {event["order_id"]: event for event in events if event["event_type"] == "order"}
    assert orders.keys() == {basket.basket_id for basket in history}
    for basket in history:
        order = orders[basket.basket_id]
        assert (order["occurred_at"], order["total_amount"]) == (basket.bought_at, basket.total)
        assert [item["product_id"] for item in order["items"]] == [line.product_id for line in basket.lines]


def test_only_orders_claim_to_be_real(events: list[dict[str, Any]]) -> None:
    assert {(event["event_type"], event["source"]) for event in events} == {
        ("order", "complete-journey"),
        ("search", "simulated"),
        ("interaction", "simulated"),
    }
    assert all(event["imported"] for event in events)


def test_what_is_clicked_stood_where_the_search_showed_it_before_the_order(events: list[dict[str, Any]]) -> None:
    searches = {event["query_id"]: event for event in events if event["event_type"] == "search"}
    orders = {event["session_id"]: event for event in events if event["event_type"] == "order"}
    clicks = [event for event in events if event["event_type"] == "interaction"]
    assert clicks
    for click in clicks:
        search = searches[click["query_id"]]
        assert {"product_id": click["product_id"], "position": click["position"]} in search["results"]
        assert search["occurred_at"] < click["occurred_at"] < orders[click["session_id"]]["occurred_at"]


def test_every_simulated_event_keeps_its_contract(history: list[Basket], events: list[dict[str, Any]]) -> None:
    named = [dict(event) for event in catalogue_events(history, catalogue(), seed=1)]
    bought = Counter(line.product_id for basket in history for line in basket.lines)
    assert named
    assert all(bought[event["product_id"]] >= FEWEST_PURCHASES for event in named)
    for event in (*events, *named):
        whole = {"schema_version": 1, **event}
        assert read_event(write_fields(whole), event["occurred_at"], unknown_fields="forbid").event_id
    assert len({event["event_id"] for event in (*events, *named)}) == len(events) + len(named)


def test_the_last_basket_of_each_household_is_held_back() -> None:
    every = baskets(20, 60)
    kept, last = hold_back_last(every)
    assert len(kept) + len(last) == len(every)
    assert all(basket.bought_at <= last[basket.household_id].bought_at for basket in kept)
