"""The measures of the next-basket papers, on rankings small enough to reckon by hand."""

import numpy as np
import pytest

from benchmarks.reorder.fairness import by_history, by_third
from benchmarks.reorder.measures import ByUser, by_user, ranked
from benchmarks.reorder.next_basket import folds
from benchmarks.reorder.probabilities import Predicted


def test_recall_ndcg_and_hits_of_two_users() -> None:
    found = by_user(
        users=2,
        user=np.array([0, 0, 0, 1, 1]),
        product=np.array([7, 8, 9, 8, 9]),
        score=np.array([3.0, 2.0, 1.0, 1.0, 2.0]),
        bought=np.array([True, False, True, False, False]),
        bought_before=np.array([True, True, False, True, True]),
        truth=np.array([4, 1]),
        truth_before=np.array([1, 1]),
        known=np.array([5, 2]),
    )
    assert found.recall.tolist() == [0.5, 0]
    assert found.hit.tolist() == [1, 0]
    ideal = 1 + 1 / np.log2(3) + 1 / 2 + 1 / np.log2(5)
    assert found.ndcg.tolist() == pytest.approx([(1 + 1 / 2) / ideal, 0])
    assert found.repeat_recall.tolist() == [1, 0]
    assert found.explore_recall[0] == pytest.approx(1 / 3)
    assert np.isnan(found.explore_recall[1])
    assert found.new_recall[0] == pytest.approx(1 / 3)
    assert sorted(found.shown.tolist()) == [7, 8, 8, 9, 9]


@pytest.mark.parametrize(("over_all", "ndcg"), [(False, 1.0), (True, 0.9)])
def test_the_ideal_may_count_ten_or_all(over_all: bool, ndcg: float) -> None:
    found = by_user(
        users=1,
        user=np.zeros(12, dtype=np.int64),
        product=np.arange(12),
        score=-np.arange(12.0),
        bought=np.ones(12, dtype=np.bool_),
        bought_before=np.ones(12, dtype=np.bool_),
        truth=np.array([12]),
        truth_before=np.array([12]),
        known=np.array([3]),
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


def test_recall_is_told_by_how_many_baskets_are_known() -> None:
    nothing = np.full(3, np.nan)
    found = ByUser(
        recall=np.array([0.2, 0.4, 1.0]),
        ndcg=nothing,
        hit=np.array([1.0, 0, 1]),
        repeat_recall=nothing,
        explore_recall=nothing,
        new_recall=nothing,
        known=np.array([2, 3, 9]),
        shown=np.array([1, 2, 3]),
    )
    rows = by_history("a set", {"a ranking": [found]})
    assert [(row["baskets known"], row["R@10"], row["PHR@10"], row["users"]) for row in rows] == [
        ("2 to 3", "0.3000", "0.5000", 2),
        ("7 and more", "1.0000", "1.0000", 1),
    ]


def test_probabilities_are_told_by_thirds_of_households() -> None:
    predicted = Predicted(
        probability=np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        happened=np.array([False, True, False, True, True, False]),
        household=np.array([4, 4, 0, 0, 2, 2]),
    )
    rows = by_third("what was spent", {"a model": predicted}, np.array([10.0, 0, 99, 0, 5]))
    assert [(row["third"], row["predicted"], row["happened"], row["AUC"], row["pairs"]) for row in rows] == [
        ("least third", "0.1500", "0.5000", "1.0000", 2),
        ("middle third", "0.3500", "0.5000", "1.0000", 2),
        ("greatest third", "0.5500", "0.5000", "0.0000", 2),
    ]
