"""The figures by which predictions are judged, on cases small enough to reckon by hand."""

from datetime import datetime

import numpy as np
import pytest

from shopstream.ml_features.models.evaluate import (
    by_frequency,
    calibration_error,
    compare,
    recall_at_k,
    recalls,
)

EARLY, LATE = datetime(2026, 1, 1), datetime(2026, 2, 1)  # noqa: DTZ001 - only their order counts


def test_recall_is_the_share_of_what_was_bought_among_the_first_k() -> None:
    assert recall_at_k(["a", "b", "c"], {"a", "c", "x", "y"}, 2) == 0.25
    assert recall_at_k(["a", "b", "c"], {"a", "c", "x", "y"}, 3) == 0.5
    assert recall_at_k([], {"a"}, 10) == 0


def test_a_product_bought_twice_counts_once() -> None:
    assert recall_at_k(["a"], ["a", "a", "b"], 10) == 0.5


def test_recall_of_nothing_bought_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one product"):
        recall_at_k(["a"], [], 10)


def test_a_user_without_a_ranking_counts_as_zero() -> None:
    assert recalls({"u1": ["a"], "u3": ["z"]}, {"u1": {"a"}, "u2": {"b"}}, 10).tolist() == [1, 0]


def test_frequency_ranks_by_count_then_by_the_latest_then_by_product_id() -> None:
    history = {"u1": {"d": (1, EARLY), "c": (2, EARLY), "b": (2, LATE), "a": (2, EARLY), "e": (3, EARLY)}}
    assert by_frequency(history) == {"u1": ["e", "b", "a", "c", "d"]}


def test_probabilities_that_hold_have_no_calibration_error() -> None:
    assert calibration_error(np.array([0.5] * 4), np.array([0.0, 1, 0, 1]), bins=1) == 0
    assert calibration_error(np.array([0.0, 1.0]), np.array([0.0, 1.0]), bins=2) == 0


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_size() -> None:
    probabilities = np.array([0.9, 0.1, 0.9, 0.1])
    happened = np.array([1.0, 0.0, 0.0, 0.0])
    assert calibration_error(probabilities, happened, bins=2) == pytest.approx((0.1 + 0.4) / 2)


def test_more_bins_than_predictions_are_no_error() -> None:
    assert calibration_error(np.array([0.25]), np.array([0.0])) == 0.25


def test_a_comparison_is_the_same_every_time_and_its_interval_holds_the_difference() -> None:
    ours, theirs = np.array([0.4, 0.2, 0.6, 0.1]), np.array([0.1, 0.2, 0.3, 0.2])
    found = compare(ours, theirs)
    assert found == compare(ours, theirs)
    assert found.difference == pytest.approx(0.125)
    assert found.low <= found.difference <= found.high
    assert found.users == 4
