"""Calibrated probabilities are what happens, and never put a greater score below a smaller one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.ml_features.models.calibration import calibrate
from shopstream.ml_features.models.evaluate import calibration_error


def test_probabilities_hold_on_pairs_not_calibrated_on() -> None:
    random = np.random.default_rng(1)
    score = random.normal(size=40_000)
    happened = random.random(40_000) < 1 / (1 + np.exp(2 - score))  # the score itself is far too bold
    curve = calibrate(score[:20_000], happened[:20_000])
    error = calibration_error(curve.probability(score[20_000:]), happened[20_000:].astype(np.float64))
    assert error < 0.01
    assert calibration_error(1 / (1 + np.exp(-score)), happened.astype(np.float64)) > 0.1


@given(st.lists(st.tuples(st.floats(-9, 9), st.booleans()), min_size=1), st.lists(st.floats(-20, 20)))
def test_a_greater_score_is_never_less_probable(pairs: list[tuple[float, bool]], asked: list[float]) -> None:
    score, happened = (np.array(column) for column in zip(*pairs, strict=True))
    found = calibrate(score, happened).probability(np.array(sorted(asked), dtype=np.float64))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= -1e-12).all()


def test_nothing_to_calibrate_on_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        calibrate(np.array([]), np.array([], dtype=np.bool_))
