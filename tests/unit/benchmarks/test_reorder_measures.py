"""The measures of the next-basket papers, on rankings small enough to reckon by hand."""

import numpy as np
import pytest

from benchmarks.reorder.measures import by_user, ranked
from benchmarks.reorder.next_basket import folds


def test_recall_ndcg_and_hits_of_two_users() -> None:
    found = by_user(
        users=2,
        user=np.array([0, 0, 0, 1, 1]),
        score=np.array([3.0, 2.0, 1.0, 1.0, 2.0]),
        bought=np.array([True, False, True, False, False]),
        bought_before=np.array([True, True, False, True, True]),
        truth=np.array([4, 1]),
        truth_before=np.array([1, 1]),
    )
    assert found.recall.tolist() == [0.5, 0]
    assert found.hit.tolist() == [1, 0]
    ideal = 1 + 1 / np.log2(3) + 1 / 2 + 1 / np.log2(5)
    assert found.ndcg.tolist() == pytest.approx([(1 + 1 / 2) / ideal, 0])
    assert found.repeat_recall.tolist() == [1, 0]
    assert found.explore_recall[0] == pytest.approx(1 / 3)
    assert np.isnan(found.explore_recall[1])


@pytest.mark.parametrize(("over_all", "ndcg"), [(False, 1.0), (True, 0.9)])
def test_the_ideal_may_count_ten_or_all(over_all: bool, ndcg: float) -> None:
    found = by_user(
        users=1,
        user=np.zeros(12, dtype=np.int64),
        score=-np.arange(12.0),
        bought=np.ones(12, dtype=np.bool_),
        bought_before=np.ones(12, dtype=np.bool_),
        truth=np.array([12]),
        truth_before=np.array([12]),
        ideal_over_all=over_all,
    )
    assert found.ndcg.tolist() == pytest.approx([ndcg], abs=0.02)


def test_five_folds_ask_every_user_once_and_train_on_none_of_them() -> None:
    asked_at_all = np.zeros(1000, dtype=np.int64)
    for trained, asked in folds(1000, seed=3):
        assert not (trained & asked).any()
        assert (int(asked.sum()), int(trained.sum())) == (200, 720)
        asked_at_all += asked
    assert asked_at_all.tolist() == [1] * 1000


def test_places_count_from_zero_within_a_user() -> None:
    user = np.array([0, 0, 0, 1, 1])
    assert ranked(user, np.array([0.1, 0.9, 0.1, 5.0, 7.0])).tolist() == [1, 0, 2, 1, 0]
    assert ranked(np.array([], dtype=np.int64), np.array([])).tolist() == []
