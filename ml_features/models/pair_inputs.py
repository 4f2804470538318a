"""What the model sees of a user and a product at a moment: the user's own history, others' histories, the group."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .histories import Flags, Histories, Ints, Moments, known_lines, pair_keys
from .neighbours import Neighbours, at_pairs, strongest_of
from .own_history import Column, OwnHistory

Matrix = npt.NDArray[np.float32]

CANDIDATES_A_SCORE = 40
"""How many products each score of the neighbours, and popularity, adds to those a user bought before."""
MOMENTS_AT_ONCE = 1500
"""Bounds the memory the scores of the neighbours take."""


@dataclass(frozen=True)
class PairInputs:
    """Pairs of a moment and a product, by moment, then by product, and what is known of each."""

    moment: Ints
    product: Ints
    bought_before: Flags
    names: tuple[str, ...]
    matrix: Matrix
    """A row a pair, a column a name; NaN where a value does not exist, as the gap of a product bought once."""

    def __len__(self) -> int:
        return len(self.moment)


def pair_inputs(histories: Histories, moments: Moments, neighbours: Neighbours, *, explore: bool = True) -> PairInputs:
    """Inputs of every pair worth scoring: what was bought before and, to explore, what the neighbours suggest.

    Raises:
        ValueError: There is no moment, or one at which nothing is known.
    """
    if not len(moments) or moments.known.min() < 1:
        raise ValueError("inputs need moments at which at least one basket is known")
    begins = range(0, len(moments), MOMENTS_AT_ONCE)
    parts = [
        _part(histories, moments[begin : begin + MOMENTS_AT_ONCE], neighbours, explore=explore) for begin in begins
    ]
    return PairInputs(
        np.concatenate([part.moment + begin for part, begin in zip(parts, begins, strict=True)]),
        np.concatenate([part.product for part in parts]),
        np.concatenate([part.bought_before for part in parts]),
        parts[0].names,
        np.concatenate([part.matrix for part in parts]),
    )


def _part(histories: Histories, moments: Moments, neighbours: Neighbours, *, explore: bool) -> PairInputs:
    lines = known_lines(histories, moments)
    scores = neighbours.scores(lines, len(moments))
    own = OwnHistory(histories, moments, lines)
    keys = own.keys
    if explore:
        every = np.arange(len(moments))[:, np.newaxis]
        popular = pair_keys(histories, every, neighbours.popular[np.newaxis, :CANDIDATES_A_SCORE]).ravel()
        suggested = (_best_keys(histories, each) for each in scores.values())
        keys = np.unique(np.concatenate([keys, popular, *suggested]))
    moment, product = np.divmod(keys, histories.products)
    place = np.searchsorted(keys, own.keys)
    bought_before = np.zeros(len(keys), dtype=np.bool_)
    bought_before[place] = True
    columns: dict[str, Column] = {}
    for name, values in own.pairs().items():
        column = np.full(len(keys), np.nan, dtype=np.float32)
        column[place] = values
        columns[name] = column
    columns |= {name: values[moment] for name, values in own.users().items()}
    columns |= own.groups(moment, product, columns)
    columns |= {name: neighbours.figures.values[product, at] for at, name in enumerate(neighbours.figures.names)}
    columns |= {name: at_pairs(each, moment, product) for name, each in scores.items()}
    columns["share_of_baskets_decayed"] = columns["decayed_days_60"] / (columns["user_decayed_60"] + 0.5)
    columns["share_of_baskets_lately"] = columns["decayed_days_30"] / (columns["user_decayed_21"] + 0.5)
    matrix = np.column_stack([column.astype(np.float32) for column in columns.values()])
    return PairInputs(moment, product, bought_before, tuple(columns), matrix)


def _best_keys(histories: Histories, scores: sparse.csr_matrix) -> Ints:
    """The pairs of the CANDIDATES_A_SCORE greatest scores of each moment."""
    chosen = [strongest_of(scores.data, begin, end, CANDIDATES_A_SCORE) for begin, end in pairwise(scores.indptr)]
    moment = np.repeat(np.arange(len(chosen)), [len(each) for each in chosen])
    return pair_keys(histories, moment, scores.indices[np.concatenate(chosen)].astype(np.int64))
