"""Order lines as arrays: in whatever order lines come, baskets stand by user and time, and the future stays out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.ml_features.models.histories import (
    Histories,
    bought_next,
    bought_within,
    histories,
    is_among,
    known_lines,
    moments_before,
    moments_on,
    pair_keys,
    spans,
)

LINES = [  # user, basket, product, day
    ("ann", "a1", "milk", 1.0),
    ("ann", "a1", "bread", 1.0),
    ("ann", "a2", "milk", 4.5),
    ("bob", "b1", "tea", 2.0),
    ("ann", "a3", "jam", 9.0),
    ("ann", "a3", "milk", 9.0),
]


def made(lines: list[tuple[str, str, str, float]]) -> Histories:
    user, basket, product, day = zip(*lines, strict=True)
    return histories(user=user, basket=basket, product=product, day=day)


def named(every: Histories, keys: object) -> set[tuple[int, str]]:
    moment, product = np.divmod(keys, every.products)  # type: ignore[call-overload]
    return {(int(m), str(every.product_ids[p])) for m, p in zip(moment, product, strict=True)}


@given(st.permutations(LINES))
def test_the_order_of_the_lines_does_not_matter(lines: list[tuple[str, str, str, float]]) -> None:
    every = made(lines)
    assert every.user_ids.tolist() == ["ann", "bob"]
    assert every.baskets.tolist() == [3, 1]
    assert every.basket_day.tolist() == [1.0, 4.5, 9.0, 2.0]
    assert every.basket_size.tolist() == [2, 1, 2, 1]


def test_lines_of_a_basket_and_product_are_added_up() -> None:
    every = histories(
        user=[1, 1, 1], basket=[7, 7, 7], product=[5, 6, 5], day=[0, 0, 0], quantity=[2, 1, 3], value=[4.0, 1.0, 6.0]
    )
    assert every.line_product.tolist() == [0, 1]
    assert every.line_quantity.tolist() == [5, 1]
    assert every.line_value.tolist() == [10, 1]


def test_nothing_bought_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one order line"):
        histories(user=[], basket=[], product=[], day=[])


def test_on_a_day_only_what_was_bought_before_is_known() -> None:
    every = made(LINES)
    moments = moments_on(every, 4.5)
    assert moments.user.tolist() == [0, 1]
    assert moments.known.tolist() == [1, 1]
    lines = known_lines(every, moments)
    assert [str(every.product_ids[each]) for each in lines.product] == ["bread", "milk", "tea"]
    assert lines.age_days.tolist() == [3.5, 3.5, 2.5]
    assert moments_on(every, 1.5).user.tolist() == [0]
    assert len(moments_on(every, 1.0)) == 0


def test_what_is_bought_next_and_within_days_is_told_apart_from_what_is_known() -> None:
    every = made(LINES)
    moments = moments_on(every, 2.5)
    assert named(every, bought_next(every, moments_before(every, np.array([0]), np.array([1])))) == {(0, "milk")}
    assert named(every, bought_within(every, moments, 2.0)) == set()  # day 4.5 is the end, and the end is not within
    assert named(every, bought_within(every, moments, 2.1)) == {(0, "milk")}
    assert named(every, bought_within(every, moments, 30)) == {(0, "milk"), (0, "jam")}


def test_just_before_a_basket_is_its_day_and_after_the_last_one_day_later() -> None:
    every = made(LINES)
    assert moments_before(every, np.array([0, 0, 1]), np.array([2, 3, 1])).day.tolist() == [9.0, 10.0, 3.0]


def test_the_latest_basket_has_age_one() -> None:
    every = made(LINES)
    lines = known_lines(every, moments_before(every, np.array([0]), np.array([3])))
    assert lines.age_baskets.tolist() == [3, 3, 2, 1, 1]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4)), max_size=8))
def test_spans_are_ranges_one_after_the_other(each: list[tuple[int, int]]) -> None:
    begin, length = (np.array([pair[at] for pair in each], dtype=np.int64) for at in (0, 1))
    assert spans(begin, length).tolist() == [number for b, n in each for number in range(b, b + n)]


@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_is_among_is_membership(keys: list[int], those: set[int]) -> None:
    found = is_among(np.array(keys, dtype=np.int64), np.array(sorted(those), dtype=np.int64))
    assert found.tolist() == [key in those for key in keys]


def test_pair_keys_sort_by_moment_then_product() -> None:
    every = made(LINES)
    assert pair_keys(every, np.array([0, 0, 1]), np.array([0, 3, 0])).tolist() == [0, 3, every.products]
