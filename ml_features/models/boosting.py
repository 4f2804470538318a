"""The model tier's ranking: gradient boosted trees over pair inputs, trained on users' own earlier baskets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shopstream.schemas import SettingsError

from .histories import Flags, Floats, Histories, Moments
from .neighbours import Neighbours
from .pair_inputs import Matrix, PairInputs, pair_inputs

if TYPE_CHECKING:
    import lightgbm

FOLDS = 5
MOMENTS_A_BLOCK = 2000
"""Bounds the memory inputs take: some hundred pairs a moment, 94 inputs a pair."""
ROUNDS = 450
SEEDS = (1, 2)
"""A model is the mean of one boosting a seed: what one says by the chance of its samples, the other does not."""

ENOUGH_ANSWERS = 12_000
MOST_BACK = 5
EARLIER_WEIGHT = 0.5
"""What an answer of an earlier moment counts beside the latest."""

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 63,
    "learning_rate": 0.02,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
"""One setting for every shop; the benchmarks of docs/models.md use these and no others."""


@dataclass(frozen=True)
class Boosted:
    """Trained boostings and the names of what they were trained on."""

    boosters: tuple["lightgbm.Booster", ...]
    names: tuple[str, ...]

    def scores(self, matrix: Matrix) -> Floats:
        """The log-odds of each row, uncalibrated: the mean over the boostings."""
        scores: Floats = np.mean([booster.predict(matrix, raw_score=True) for booster in self.boosters], axis=0)
        return scores

    def gains(self) -> dict[str, float]:
        """How much each input lowered the loss, as a share of all, the greatest first."""
        gain = np.sum([booster.feature_importance("gain") for booster in self.boosters], axis=0)
        shares = gain / max(float(gain.sum()), 1e-12)
        return {self.names[at]: float(shares[at]) for at in np.argsort(-shares, kind="stable")}


def moments_back(answers: Callable[[int], int]) -> range:
    """How many moments back users' own histories serve as answers to learn from: 0, the latest, and some before it.

    At least one earlier moment, and so many that there are ENOUGH_ANSWERS, but none beyond MOST_BACK. `answers` says
    how many users can be asked at the moment so far back.
    """
    found = answers(0) + answers(1)
    back = 1
    while found < ENOUGH_ANSWERS and back < MOST_BACK:
        back += 1
        found += answers(back)
    return range(back + 1)


Block = tuple[int, int]
"""A fold of the asked users, and the place in it of the first of MOMENTS_A_BLOCK of them."""


class Crossing:
    """Asked moments and the others whose purchases speak to them, such that no user is a neighbour of his own.

    Users are dealt into FOLDS by number; what `others` know outside a fold speaks to the moments inside it. So a
    training set does not see its own answers in what others bought, and the last pass may use the same code.
    """

    def __init__(self, histories: Histories, others: Moments, asked: Moments) -> None:
        self._histories, self._others, self._asked = histories, others, asked
        self._neighbours: tuple[int, Neighbours] | None = None

    def blocks(self) -> list[Block]:
        """Every block of asked moments to whom somebody speaks, fold by fold."""
        asked, others = (np.bincount(each.user % FOLDS, minlength=FOLDS) for each in (self._asked, self._others))
        return [
            (fold, begin)
            for fold in range(FOLDS)
            if others[fold] < others.sum()
            for begin in range(0, int(asked[fold]), MOMENTS_A_BLOCK)
        ]

    def inputs(self, block: Block, *, explore: bool = True) -> tuple[Moments, PairInputs]:
        """The moments of a block and their inputs; what a fold's neighbours say is kept for the next block of it."""
        fold, begin = block
        if self._neighbours is None or self._neighbours[0] != fold:
            outside = self._others[self._others.user % FOLDS != fold]
            self._neighbours = fold, Neighbours(self._histories, outside)
        inside = self._asked[self._asked.user % FOLDS == fold][begin : begin + MOMENTS_A_BLOCK]
        return inside, pair_inputs(self._histories, inside, self._neighbours[1], explore=explore)


def crossed_inputs(
    histories: Histories, others: Moments, asked: Moments, *, explore: bool = True
) -> Iterator[tuple[Moments, PairInputs]]:
    """Inputs of the asked moments, a block at a time, each from neighbours among which the asked user is not."""
    crossing = Crossing(histories, others, asked)
    for block in crossing.blocks():
        yield crossing.inputs(block, explore=explore)


@dataclass(frozen=True)
class Examples:
    """Pairs with the answer, to train on."""

    names: tuple[str, ...]
    matrix: Matrix
    bought: Flags
    weight: Floats

    @classmethod
    def together(cls, parts: Sequence["Examples"]) -> "Examples":
        """All examples of several parts."""
        return cls(
            parts[0].names,
            np.concatenate([part.matrix for part in parts]),
            np.concatenate([part.bought for part in parts]),
            np.concatenate([part.weight for part in parts]),
        )


def train(examples: Examples, *, rounds: int = ROUNDS, seeds: Sequence[int] = SEEDS, threads: int = 0) -> Boosted:
    """Boostings of these examples; the same examples, in the same order, give the same model.

    Args:
        examples: What to learn from.
        rounds: Trees of each boosting.
        seeds: One boosting each.
        threads: How many to use; 0 for as many as the machine has.

    Raises:
        ValueError: All examples, or none, were bought.
        SettingsError: LightGBM, or the library it needs, is not installed.
    """
    lightgbm = _lightgbm()
    if not 0 < int(examples.bought.sum()) < len(examples.bought):
        raise ValueError(
            f"nothing to learn: {int(examples.bought.sum()):,} of {len(examples.bought):,} examples were bought"
        )
    names = list(examples.names)
    dataset = lightgbm.Dataset(
        examples.matrix, examples.bought.astype(np.float32), weight=examples.weight, feature_name=names
    )
    boosters = tuple(
        lightgbm.train({**PARAMETERS, "seed": seed, "num_threads": threads}, dataset, rounds) for seed in seeds
    )
    return Boosted(boosters, examples.names)


def load_booster(text: str) -> "lightgbm.Booster":
    """The booster whose `model_to_string` this is.

    Raises:
        ValueError: It is none.
        SettingsError: LightGBM, or the library it needs, is not installed.
    """
    module = _lightgbm()
    try:
        booster: lightgbm.Booster = module.Booster(model_str=text)
    except module.basic.LightGBMError as error:
        raise ValueError(f"LightGBM does not read the model: {error}") from error
    return booster


def _lightgbm() -> Any:  # noqa: ANN401 - a module without types
    try:
        import lightgbm
    except ImportError as error:
        raise SettingsError("the model tier needs LightGBM; install shopstream[models]") from error
    except OSError as error:
        raise SettingsError(f"LightGBM cannot be loaded: {error}; on Debian, install libgomp1") from error
    return lightgbm
