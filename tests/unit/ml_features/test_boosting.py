"""The model tier learns what there is to learn, the same way every time."""

import numpy as np
import pytest

from shopstream.ml_features.models.boosting import Examples, moments_back, train

pytestmark = pytest.mark.usefixtures("lightgbm_loads")


def examples(seed: int, count: int = 4000) -> Examples:
    """Two inputs, of which the first decides and the second does not."""
    random = np.random.default_rng(seed)
    matrix = random.random((count, 2)).astype(np.float32)
    return Examples(("tells", "noise"), matrix, random.random(count) < matrix[:, 0] ** 2, np.ones(count))


def test_the_input_that_decides_has_the_gain_and_the_order() -> None:
    model = train(examples(1), rounds=40, seeds=(1,), threads=1)
    assert model.gains()["tells"] > 0.8
    scores = model.scores(np.array([[0.1, 0.5], [0.5, 0.5], [0.9, 0.5]], dtype=np.float32))
    assert scores.tolist() == sorted(scores.tolist())


def test_the_same_examples_give_the_same_model() -> None:
    asked = examples(2).matrix
    first, second = (train(examples(1), rounds=20, threads=1).scores(asked) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_nothing_bought_cannot_be_learned_from() -> None:
    none = examples(1)
    with pytest.raises(ValueError, match=r"0 of 4,000 examples were bought"):
        train(Examples(none.names, none.matrix, np.zeros(4000, dtype=np.bool_), none.weight))


@pytest.mark.parametrize(
    ("users", "back"),
    [([12_000, 9_000], [0, 1]), ([5_000, 4_000, 3_500, 1], [0, 1, 2]), ([10] * 9, [0, 1, 2, 3, 4, 5])],
)
def test_few_users_are_asked_further_back(users: list[int], back: list[int]) -> None:
    assert list(moments_back(lambda moments: users[moments])) == back
