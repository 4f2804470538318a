"""Live predictions need every weight."""

from typing import Any

from shopstream.pipeline.live_features import weights_of
from shopstream.schemas.features import ReorderInputs
from shopstream.schemas.live.reorders import INTERCEPT


def rows(horizon: int | None) -> list[dict[str, Any]]:
    names = [INTERCEPT, *ReorderInputs.model_fields]
    return [{"horizon_days": horizon, "feature": name, "weight": 0.5} for name in names]


def test_weights_of_both_horizons_are_a_model() -> None:
    weights = weights_of([*rows(7), *rows(None)])
    assert weights is not None
    assert weights.keys() == {7, 30}
    assert weights[30][INTERCEPT] == 0.5


def test_where_a_weight_is_missing_there_is_no_model() -> None:
    assert weights_of([]) is None
    assert weights_of(rows(30)) is None
    assert weights_of([*rows(7), *rows(30)[:-1]]) is None
