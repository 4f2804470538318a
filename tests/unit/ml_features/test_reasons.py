"""Reasons in words: every number in a sentence is a fact."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopstream.ml_features.decisions.facts import Bought, GoesWith, New, Popular
from shopstream.ml_features.decisions.reasons import why_bought, why_new, why_popular, why_with_cart


def numbers(sentence: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", sentence)]


@settings(max_examples=1000)
@given(st.integers(2, 400), st.floats(0, 365), st.floats(0, 365))
def test_the_numbers_of_what_was_bought_are_its_facts(purchases: int, since: float, gap: float) -> None:
    fact = Bought(product_id="p", category=None, purchases=purchases, days_since_last=since, mean_gap_days=gap)
    assert numbers(why_bought(fact)) == [purchases, round(gap), round(since)]


@pytest.mark.parametrize(
    ("purchases", "gap", "since", "sentence"),
    [
        (6, 10.8, 12.2, "bought 6 times in the last year, every 11 days on average, last 12 days ago"),
        (2, 1.2, 0.9, "bought 2 times in the last year, every 1 day on average, last 1 day ago"),
        (1, None, 40.0, "bought once in the last year, last 40 days ago"),
    ],
)
def test_what_was_bought_is_told_in_a_sentence(purchases: int, gap: float | None, since: float, sentence: str) -> None:
    fact = Bought(product_id="p", category=None, purchases=purchases, days_since_last=since, mean_gap_days=gap)
    assert why_bought(fact) == sentence


NEW = New(
    product_id="p",
    category="DAIRY",
    probability=0.1,
    source="popular",
    buyers=41,
    because="Milk",
    together_orders=35,
    together_users=12,
)


@pytest.mark.parametrize(
    ("source", "sentence", "found"),
    [
        ("popular", "bought by 41 customers in the last 28 days", [41, 28]),
        ("goes_with", "in 35 orders together with Milk", [35]),
        ("same_buyers", "bought by 12 customers who also bought Milk", [12]),
        (
            "in_category",
            "bought by 41 customers in the last 28 days, from a category looked at: DAIRY",
            [41, 28],
        ),
        ("like_others", "bought by customers who buy alike", []),
    ],
)
def test_what_is_new_is_told_by_what_speaks_for_it(source: str, sentence: str, found: list[int]) -> None:
    told = why_new(NEW.model_copy(update={"source": source}))
    assert told == sentence
    assert numbers(told) == found


@pytest.mark.parametrize("source", ["popular", "goes_with", "same_buyers", "in_category", "like_others"])
def test_without_the_facts_nothing_is_claimed(source: str) -> None:
    bare = New(product_id="p", category=None, probability=0.1, source=source)
    assert why_new(bare) == "bought by customers who buy alike"


def test_products_bought_by_the_same_but_never_in_one_order_are_not_said_to_be() -> None:
    never = NEW.model_copy(update={"source": "goes_with", "together_orders": 0})
    assert why_new(never) == "bought by 12 customers who also bought Milk"


def test_what_sells_and_what_goes_with_the_cart() -> None:
    assert why_popular(Popular(product_id="p", category=None, share=0.1, buyers=1)) == (
        "bought by 1 customer in the last 28 days"
    )
    pairs = [
        GoesWith(product_id="p", category=None, affinity=affinity, in_cart=name, orders=orders)
        for affinity, name, orders in ((0.1, "Milk", 9), (0.2, "Bread", 1))
    ]
    assert why_with_cart(pairs) == "in 1 order together with Bread"
