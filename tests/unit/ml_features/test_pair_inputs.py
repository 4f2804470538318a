"""What the model sees: worked out by hand for small histories, and never from the future."""

from typing import Any

import numpy as np
import pytest

from shopstream.ml_features.models.boosting import crossed_inputs
from shopstream.ml_features.models.histories import Histories, Moments, histories, moments_on
from shopstream.ml_features.models.neighbours import Neighbours
from shopstream.ml_features.models.pair_inputs import PairInputs, pair_inputs

MILK, BREAD, TEA, JAM, OIL = range(5)
LINES = [  # user, day, product, quantity
    (0, 0.0, MILK, 1),
    (0, 0.0, BREAD, 1),
    (0, 4.0, MILK, 1),
    (0, 10.0, MILK, 4),
    (0, 10.0, TEA, 1),
    (1, 1.0, MILK, 1),
    (1, 9.0, JAM, 1),
    (2, 2.0, MILK, 1),
    (2, 3.0, JAM, 1),
    (2, 11.0, MILK, 1),
]
NOW = 12.0


def made(lines: list[tuple[int, float, int, int]]) -> Histories:
    user, day, product, quantity = (np.array(column) for column in zip(*lines, strict=True))
    group = np.where(product <= BREAD, "fresh", "dry")
    return histories(user=user, basket=day, product=product, day=day, quantity=quantity, group=group)


def inputs_of(every: Histories, user: int, *, explore: bool = False) -> tuple[Histories, PairInputs]:
    now = moments_on(every, NOW)
    others = Neighbours(every, now[now.user != user])
    return every, pair_inputs(every, now[now.user == user], others, explore=explore)


def row(every: Histories, inputs: PairInputs, product: int) -> dict[str, float]:
    at = int(np.flatnonzero(every.product_ids[inputs.product] == product)[0])
    return dict(zip(inputs.names, map(float, inputs.matrix[at]), strict=True))


def test_the_own_history_of_a_product() -> None:
    every, inputs = inputs_of(made(LINES), 0)
    milk = row(every, inputs, MILK)
    expected: dict[str, Any] = {
        "purchases": 3,
        "share_of_baskets": 1,
        "baskets_since_last": 1,
        "baskets_since_first": 3,
        "days_since_last": 2,
        "days_since_second": 8,
        "days_last_gap": 6,
        "days_gap": 5,
        "days_gap_median": 5,
        "days_gap_deviation": 1,
        "days_overdue": 0.4,
        "days_overdue_stock": 2 / (5 * 4 / 2),
        "rate_a_day": 3 / 12,
        "quantity": 2,
        "quantity_last": 2,
        "decayed_baskets_0.5": 1 + 0.5 + 0.25,
        "decayed_days_30": 0.5 ** (2 / 30) + 0.5 ** (8 / 30) + 0.5 ** (12 / 30),
        "basket_part": 0.5 + 1 + 0.5,
        "user_baskets": 3,
        "user_products": 3,
        "user_basket_size": 5 / 3,
        "user_lines_bought_again": 2 / 3,
        "user_last_bought_again": 1 / 2,
        "user_days_since_last": 2,
        "group_purchases": 3,
        "group_products": 2,
        "group_days_since_last": 2,
    }
    assert {name: milk[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_a_product_bought_once_has_no_gap() -> None:
    every, inputs = inputs_of(made(LINES), 0)
    bread = row(every, inputs, BREAD)
    assert np.isnan([bread[name] for name in ("days_gap", "days_gap_median", "baskets_overdue", "days_last_gap")]).all()
    assert bread["group_other_since"] == 12 - 2


def test_what_others_bought_scores_what_the_user_never_did() -> None:
    every, inputs = inputs_of(made(LINES), 0, explore=True)
    jam = row(every, inputs, JAM)
    assert jam["alike_bought"] > 0
    assert jam["follows_baskets"] > 0  # both others bought jam after milk
    assert np.isnan(jam["purchases"])
    assert not inputs.bought_before[np.flatnonzero(every.product_ids[inputs.product] == JAM)[0]]


def test_a_purchase_in_the_future_moves_no_input() -> None:
    later = [(0, 12.0, OIL, 9), (1, 13.0, MILK, 9), (2, 99.0, JAM, 9), (3, 12.5, TEA, 1)]
    every, before = inputs_of(made([*LINES, (4, 0.0, OIL, 1)]), 0, explore=True)
    changed, after = inputs_of(made([*LINES, (4, 0.0, OIL, 1), *later]), 0, explore=True)
    assert every.product_ids[before.product].tolist() == changed.product_ids[after.product].tolist()
    np.testing.assert_array_equal(before.matrix, after.matrix)


def test_a_user_is_no_neighbour_of_himself() -> None:
    every = made(LINES)
    now = moments_on(every, NOW)
    for inside, inputs in crossed_inputs(every, now, now, explore=False):
        for at, user in enumerate(inside.user):
            alone = pair_inputs(
                every, inside[np.array([at])], Neighbours(every, now[now.user % 5 != user % 5]), explore=False
            )
            np.testing.assert_array_equal(inputs.matrix[inputs.moment == at], alone.matrix)


def test_nothing_known_is_refused() -> None:
    every = made(LINES)
    nobody = Moments(np.array([0]), np.array([0]), np.array([0.0]))
    with pytest.raises(ValueError, match="at least one basket"):
        pair_inputs(every, nobody, Neighbours(every, moments_on(every, NOW)))
