"""The rules by which facts become a list."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.ml_features.decisions.decide import decide
from shopstream.ml_features.decisions.facts import Bought, Facts, GoesWith, New, Popular
from shopstream.ml_features.models.reorder import DEFAULT_WEIGHTS, INPUTS
from shopstream.schemas.live.reorders import HORIZON_DAYS, chance


def bought(product_id: str, probability: float | None = 0.5, **fields: Any) -> Bought:
    values = {"category": None, "purchases": 2, "days_since_last": 3.0, "mean_gap_days": 7.0, **fields}
    return Bought(product_id=product_id, probability=probability, **values)


def new(product_id: str, probability: float = 0.1, **fields: Any) -> New:
    values = {"category": None, "source": "popular", "buyers": 4, **fields}
    return New(product_id=product_id, probability=probability, **values)


def popular(product_id: str, share: float = 0.1) -> Popular:
    return Popular(product_id=product_id, category=None, share=share, buyers=9)


def facts(kind: str = "next_basket", k: int = 10, **fields: Any) -> Facts:
    return Facts.model_validate({"kind": kind, "k": k, "consent": "undecided", "allowed": True, **fields})


def products(given: Facts) -> list[str]:
    return [item.product_id for item in decide(given).items]


def test_a_next_basket_goes_by_the_chance_of_buying_whether_bought_before_or_new() -> None:
    given = facts(k=4, bought=(bought("b", 0.3), bought("a", 0.6)), new=(new("d", 0.01), new("c", 0.4)))
    decided = decide(given)
    assert [item.product_id for item in decided.items] == ["a", "c", "b", "d"]
    assert [item.score for item in decided.items] == [0.6, 0.4, 0.3, 0.01]
    assert [item.rank for item in decided.items] == [1, 2, 3, 4]
    assert decided.rules == ()


def test_a_tie_goes_to_the_smaller_product_id() -> None:
    assert products(facts(bought=(bought("b"), bought("c"), bought("a")))) == ["a", "b", "c"]


@pytest.mark.parametrize(("persona", "found"), [(None, 1), ("steady", 1), ("explorer", 3), ("newcomer", 3)])
def test_the_last_of_a_next_basket_give_way_until_there_is_enough_that_is_new(persona: str | None, found: int) -> None:
    old = tuple(bought(f"b{n}", 0.9 - n / 100) for n in range(12))
    given = facts(bought=old, new=tuple(new(f"n{n}", 0.01 - n / 1000) for n in range(5)), persona=persona)
    decided = decide(given)
    expected = [f"b{n}" for n in range(10 - found)] + [f"n{n}" for n in range(found)]
    assert [item.product_id for item in decided.items] == expected
    assert decided.rules == (f"room_for_new: {found}",)


def test_nothing_that_is_in_the_cart_or_cannot_be_bought() -> None:
    given = facts(
        bought=(bought("carted"), bought("gone"), bought("kept", 0.1)),
        new=(new("gone too"),),
        popular=(popular("carted"), popular("sells"), popular("gone too")),
        cart=("carted",),
        unavailable=("gone", "gone too"),
    )
    decided = decide(given)
    assert [item.product_id for item in decided.items] == ["kept", "sells"]
    assert decided.rules == ("in_cart: 2", "popular: 1", "unavailable: 3")


def test_nothing_that_somebody_hid_from_the_user() -> None:
    given = facts(
        bought=(bought("hidden"), bought("kept", 0.1)),
        popular=(popular("hidden"), popular("sells")),
        hidden=("hidden",),
    )
    decided = decide(given)
    assert [item.product_id for item in decided.items] == ["kept", "sells"]
    assert decided.rules == ("hidden: 2", "popular: 1")


def test_new_products_of_one_category_are_three_tenths_of_a_list_at_most() -> None:
    given = facts(
        "something_new",
        new=(*(new(f"n{n}", 0.5 - n / 100, category="tea") for n in range(6)), new("other", 0.01, category="oil")),
    )
    decided = decide(given)
    assert [item.product_id for item in decided.items] == ["n0", "n1", "n2", "other"]
    assert decided.rules == ("category_full: 3",)


def test_what_is_bought_before_may_all_be_of_one_category() -> None:
    given = facts("buy_again", bought=tuple(bought(f"b{n}", category="tea") for n in range(6)))
    assert len(products(given)) == 6


def test_what_sells_fills_up_but_never_what_to_buy_again() -> None:
    given = facts(k=3, bought=(bought("a"),), popular=(popular("y", 0.1), popular("a", 0.9), popular("x", 0.2)))
    assert products(given) == ["a", "x", "y"]
    assert products(given.model_copy(update={"kind": "buy_again"})) == ["a"]


def test_what_was_bought_since_it_was_named_as_new_is_not_new() -> None:
    decided = decide(facts(bought=(bought("a", 0.2),), new=(new("a", 0.9),)))
    assert [(item.product_id, item.score, item.source) for item in decided.items] == [("a", 0.2, "bought_before")]


def test_what_goes_with_the_cart_adds_up_over_what_is_in_it() -> None:
    pairs = (
        GoesWith(product_id="jam", category=None, affinity=0.3, in_cart="Bread", orders=20),
        GoesWith(product_id="salt", category=None, affinity=0.4, in_cart="Bread", orders=30),
        GoesWith(product_id="jam", category=None, affinity=0.2, in_cart="Butter", orders=40),
        GoesWith(product_id="butter", category=None, affinity=0.9, in_cart="Bread", orders=99),
    )
    decided = decide(facts("goes_with_cart", goes_with=pairs, cart=("bread", "butter")))
    assert [(item.product_id, item.score) for item in decided.items] == [("jam", 0.5), ("salt", 0.4)]
    assert decided.items[0].reason == "in 20 orders together with Bread"


def test_who_does_not_allow_it_is_shown_what_sells() -> None:
    decided = decide(facts(consent="refused", allowed=False, popular=(popular("x"),)))
    assert [item.product_id for item in decided.items] == ["x"]
    assert decided.rules == ("not_personalised: 1", "popular: 1")


def test_a_user_of_whom_nothing_is_known_is_shown_what_sells() -> None:
    assert products(facts(popular=(popular("x"), popular("y", 0.2)))) == ["y", "x"]


def test_the_score_of_the_sql_tier_follows_from_its_inputs_and_weights() -> None:
    inputs = {name: 0.1 * place for place, name in enumerate(INPUTS)}
    weights = DEFAULT_WEIGHTS[HORIZON_DAYS]
    (item,) = decide(facts("buy_again", bought=(bought("a", None, inputs=inputs),), weights=weights)).items
    assert item.score == chance(weights, inputs)


def test_a_product_without_inputs_or_probability_is_an_error() -> None:
    with pytest.raises(ValueError, match="neither inputs nor a probability of 'a' is known"):
        decide(facts(bought=(bought("a", None),)))


ids = st.text("abcdé😀 ", min_size=1, max_size=3)
chances = st.floats(0, 1)
categories = st.sampled_from([None, "tea", "oil"])
any_facts = st.builds(
    Facts,
    kind=st.sampled_from(["next_basket", "buy_again", "something_new", "goes_with_cart"]),
    k=st.integers(1, 12),
    consent=st.just("granted"),
    allowed=st.just(True),
    persona=st.sampled_from([None, "explorer", "steady"]),
    bought=st.lists(st.builds(bought, ids, chances, category=categories), max_size=15).map(tuple),
    new=st.lists(st.builds(new, ids, chances, category=categories), max_size=15).map(tuple),
    popular=st.lists(st.builds(popular, ids, chances), max_size=15).map(tuple),
    cart=st.lists(ids, max_size=3).map(tuple),
    unavailable=st.lists(ids, max_size=3).map(tuple),
)


def unique(given: Facts) -> Facts:
    """Each product once of each kind of fact, as the tables have it."""

    def once(found: tuple[Any, ...]) -> tuple[Any, ...]:
        by_product: Mapping[str, Any] = {each.product_id: each for each in found}
        return tuple(by_product.values())

    return given.model_copy(update={name: once(getattr(given, name)) for name in ("bought", "new", "popular")})


@given(any_facts.map(unique))
def test_a_list_is_never_too_long_repeats_nothing_and_is_decided_again_from_its_json(given: Facts) -> None:
    decided = decide(given)
    named = [item.product_id for item in decided.items]
    assert len(named) <= given.k
    assert len(set(named)) == len(named)
    assert not set(named) & {*given.cart, *given.unavailable}
    assert decide(Facts.model_validate_json(given.model_dump_json())) == decided
