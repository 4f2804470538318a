"""No answer is seen by two of training, calibration and judgement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.ml_features.models.windows import windows
from shopstream.schemas import SettingsError


@given(st.sampled_from([7, 14, 30, 60]), st.floats(-1000, 1000), st.floats(200, 900))
def test_answers_do_not_overlap(horizon: int, judged: float, known: float) -> None:
    found = windows(judged, judged - known, horizon)
    assert found.calibrated_to <= judged + 1e-6
    assert found.trained_to <= min(found.calibrated) + 1e-6
    assert 1 <= len(found.trained) <= 6
    assert min(found.trained) - (judged - known) >= 28


def test_the_windows_of_a_week_and_of_a_month() -> None:
    week, month = windows(273, 0, 7), windows(273, 0, 30)
    assert (week.calibrated, week.trained) == ((266, 259), (252, 238, 224, 210, 196, 182))
    assert (month.calibrated, month.trained) == ((243,), (213, 198, 183, 168, 153, 138))


def test_a_history_that_is_too_short_says_how_long_it_must_be() -> None:
    with pytest.raises(SettingsError, match="span 100 days; to learn what is bought within 30 days it takes 118"):
        windows(-30, -100, 30)
    assert windows(-30, -118, 30).trained == (-90,)
