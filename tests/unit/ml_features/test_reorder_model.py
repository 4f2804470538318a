"""Fitting weights: right where there is enough, the default ones where there is not, the same every time."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from shopstream.ml_features.models.reorder import BOUGHT, DEFAULT_WEIGHTS, INPUTS, fit
from shopstream.schemas.live.reorders import HORIZON_DAYS, INTERCEPT

AS_OF = date(2026, 3, 31)
SERVED = date(2026, 2, 25)


def pairs(number: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Products whose log-odds of being bought are 2 · overdue - 1; the other inputs say nothing."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(number, len(INPUTS)))
    chance = 1 / (1 + np.exp(1 - 2 * inputs[:, INPUTS.index("overdue")]))
    bought = random.random(number) < chance
    return [
        {
            "as_of": SERVED,
            **dict(zip(INPUTS, map(float, row), strict=True)),
            "bought": bool(happened),
            "bought_soon": bool(happened and at % 2),
        }
        for at, (row, happened) in enumerate(zip(inputs, bought, strict=True))
    ]


def test_the_weights_that_made_the_data_are_found_again() -> None:
    found = {row.feature: row.weight for row in fit(pairs(20_000), AS_OF) if row.horizon_days == HORIZON_DAYS}
    assert found["overdue"] == pytest.approx(2, abs=0.1)
    assert found[INTERCEPT] == pytest.approx(-1, abs=0.1)
    assert all(abs(found[name]) < 0.1 for name in INPUTS if name != "overdue")


def test_the_same_pairs_give_the_same_weights() -> None:
    assert fit(pairs(2000), AS_OF) == fit(pairs(2000), AS_OF)


def test_a_fit_says_what_it_saw() -> None:
    given = pairs(2000)
    soon, later = fit(given, AS_OF)[0], fit(given, AS_OF)[-1]
    assert (soon.horizon_days, soon.as_of, soon.fitted_from, soon.fitted_to) == (7, AS_OF, SERVED, date(2026, 3, 4))
    assert (later.horizon_days, later.as_of, later.fitted_to) == (30, AS_OF, date(2026, 3, 27))
    assert (soon.fitted_pairs, soon.fitted_bought) == (2000, sum(pair["bought_soon"] for pair in given))
    assert (later.fitted_pairs, later.fitted_bought) == (2000, sum(pair["bought"] for pair in given))


@pytest.mark.parametrize(
    "given",
    [
        [],
        pairs(999),
        [{**pair, "bought": number < 99, "bought_soon": number < 99} for number, pair in enumerate(pairs(2000))],
        [{**pair, "bought": number >= 99, "bought_soon": number >= 99} for number, pair in enumerate(pairs(2000))],
    ],
    ids=["none", "few", "hardly any bought", "hardly any not bought"],
)
def test_too_little_to_fit_gives_the_default_weights(given: list[dict[str, Any]]) -> None:
    rows = fit(given, AS_OF)
    assert {(row.horizon_days, row.feature): row.weight for row in rows} == {
        (horizon, feature): weight
        for horizon, weights in DEFAULT_WEIGHTS.items()
        for feature, weight in weights.items()
    }
    assert {(row.fitted_pairs, row.fitted_from, row.fitted_to) for row in rows} == {(0, None, None)}


def test_there_is_a_default_weight_for_every_input() -> None:
    assert all(set(weights) == {INTERCEPT, *INPUTS} for weights in DEFAULT_WEIGHTS.values())
    assert set(DEFAULT_WEIGHTS) == set(BOUGHT)


def test_one_horizon_may_be_fitted_and_the_other_not() -> None:
    given = [{**pair, "bought_soon": False} for pair in pairs(2000)]
    assert {(row.horizon_days, row.fitted_pairs > 0) for row in fit(given, AS_OF)} == {(7, False), (30, True)}
