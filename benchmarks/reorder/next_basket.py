"""The protocol of the next-basket papers: given a user's baskets but the last, rank what is in the last."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet
from scipy import sparse

from shopstream.ml_features.models.boosting import Boosted, Examples, crossed_inputs, train
from shopstream.ml_features.models.histories import (
    Flags,
    Floats,
    Histories,
    Ints,
    Moments,
    bought_next,
    histories,
    is_among,
    known_lines,
    moments_before,
    pair_keys,
)
from shopstream.ml_features.models.pair_inputs import PairInputs

from .measures import ByUser, by_user

EARLIER_BASKETS = 2
"""Of each user so many last baskets serve as answers to learn from, where they are known."""
EARLIER_WEIGHT = 0.5
"""What an answer one basket back counts beside the latest."""
FEWEST_KNOWN = 2


@dataclass(frozen=True)
class Split:
    """Histories whose last baskets are known of some users, asked of others, and not used of the rest."""

    histories: Histories
    trained: Flags
    asked: Flags


def read(file: Path) -> tuple[Histories, np.ndarray]:
    """The histories of a file of baskets, and the name of each user's split."""
    table = parquet.read_table(file)
    user, basket, item = (table[name].to_numpy() for name in ("user", "basket", "item"))
    found = histories(user=user, basket=basket, product=item, day=basket)
    first = np.unique(user, return_index=True)[1]
    return found, np.asarray(table["split"].to_pylist())[first]


def folds(users: int, *, seed: int, count: int = 5) -> Iterator[tuple[Flags, Flags]]:
    """Of each draw, which users are trained on (72 %) and which are asked (20 %); the others are left out."""
    part = np.random.default_rng(seed).permutation(users) * 25 // users
    for fold in range(count):
        asked = part // (25 // count) == fold
        left_out = (part - 25 // count * (fold + 1)) % 25 < 2
        yield ~asked & ~left_out, asked


def examples(split: Split, back: int) -> Iterator[tuple[Moments, PairInputs]]:
    """Inputs of every user `back` baskets before the last, from others as they were known then."""
    baskets = split.histories.baskets
    known = np.minimum(np.where(split.trained, baskets, baskets - 1), baskets - back)
    answer = baskets - 1 - back
    others = np.flatnonzero(known > 0)
    asked = np.flatnonzero((answer >= FEWEST_KNOWN) & (split.trained | (back > 0)))
    yield from crossed_inputs(
        split.histories,
        moments_before(split.histories, others, known[others]),
        moments_before(split.histories, asked, answer[asked]),
    )


def learn(split: Split, threads: int = 0) -> Boosted:
    """The model of a split: what its users bought next, at their last known baskets."""
    parts = []
    for back in range(EARLIER_BASKETS):
        for moments, inputs in examples(split, back):
            keys = pair_keys(split.histories, inputs.moment, inputs.product)
            bought = is_among(keys, bought_next(split.histories, moments))
            weight = np.full(len(inputs), EARLIER_WEIGHT**back)
            parts.append(Examples(inputs.names, inputs.matrix, bought, weight))
    return train(Examples.together(parts), threads=threads)


@dataclass(frozen=True)
class Asked:
    """The asked users, numbered from 0, and what they bought."""

    moments: Moments
    truth_keys: Ints
    truth: Ints
    truth_before: Ints


def asked_users(split: Split) -> Asked:
    """The users whose last basket is asked."""
    users = np.flatnonzero(split.asked)
    moments = moments_before(split.histories, users, split.histories.baskets[users] - 1)
    truth = bought_next(split.histories, moments)
    lines = known_lines(split.histories, moments)
    before = is_among(truth, np.unique(pair_keys(split.histories, lines.moment, lines.product)))
    owner = truth // split.histories.products
    return Asked(
        moments, truth, np.bincount(owner, minlength=len(users)), np.bincount(owner[before], minlength=len(users))
    )


def _measured(split: Split, keys: Ints, score: Floats, *, ideal_over_all: bool) -> ByUser:
    asked = asked_users(split)
    lines = known_lines(split.histories, asked.moments)
    return by_user(
        users=len(asked.moments),
        user=keys // split.histories.products,
        score=score,
        bought=is_among(keys, asked.truth_keys),
        bought_before=is_among(keys, np.unique(pair_keys(split.histories, lines.moment, lines.product))),
        truth=asked.truth,
        truth_before=asked.truth_before,
        ideal_over_all=ideal_over_all,
    )


def model_tier(split: Split, *, ideal_over_all: bool = False, threads: int = 0) -> ByUser:
    """The model trained on the split, and what its rankings of the asked users are worth."""
    model = learn(split, threads)
    every = split.histories
    baskets = every.baskets
    known = np.where(split.trained, baskets, baskets - 1)
    users = np.arange(every.users)
    asked = asked_users(split).moments
    number = np.full(every.users, -1)
    number[asked.user] = np.arange(len(asked))
    keys, scores = [], []
    for moments, inputs in crossed_inputs(every, moments_before(every, users, known), asked):
        keys.append(pair_keys(every, number[moments.user][inputs.moment], inputs.product))
        scores.append(model.scores(inputs.matrix))
    order = np.argsort(np.concatenate(keys), kind="stable")
    return _measured(split, np.concatenate(keys)[order], np.concatenate(scores)[order], ideal_over_all=ideal_over_all)


def frequency(split: Split, *, ideal_over_all: bool = False) -> ByUser:
    """The plain peer: each user's products by number of purchases, then the latest; then what sells most."""
    asked = asked_users(split)
    lines = known_lines(split.histories, asked.moments)
    shape = (len(asked.moments), split.histories.products)
    count = sparse.csr_matrix((np.ones(len(lines.moment)), (lines.moment, lines.product)), shape=shape).toarray()
    latest = sparse.csr_matrix((0.5**lines.age_baskets, (lines.moment, lines.product)), shape=shape).toarray()
    popular = np.bincount(split.histories.line_product, minlength=shape[1]) / len(split.histories.line_product)
    return _dense(split, count + 1e-3 * latest + 1e-6 * popular, ideal_over_all=ideal_over_all)


def tifu_knn(split: Split, *, ideal_over_all: bool = False) -> ByUser:
    """TIFU-KNN with 300 neighbours, 7 groups and decays .9 and .7, and the best alpha for the asked users.

    Hu, He, Gao, Zhang: Modeling Personalized Item Frequency Information for Next-basket Recommendation (SIGIR 2020).
    The neighbours are all users with what is known of them, the answers of trained users included. That alpha is
    chosen on the asked users themselves favours this peer.
    """
    found = [_tifu_knn(split, alpha, ideal_over_all=ideal_over_all) for alpha in (0.05, 0.1, 0.2, 0.4, 0.7)]
    return max(found, key=lambda each: float(each.recall.mean()))


def _tifu_knn(split: Split, alpha: float, *, ideal_over_all: bool) -> ByUser:
    every, asked = split.histories, asked_users(split)
    known = np.where(split.trained, every.baskets, every.baskets - 1)
    others = _tifu_vectors(every, moments_before(every, np.arange(every.users), known))
    asking = _tifu_vectors(every, asked.moments)
    length = np.asarray(others.multiply(others).sum(axis=1)).ravel()
    scores = np.empty((len(asked.moments), every.products), dtype=np.float32)
    for begin in range(0, len(asked.moments), 1000):
        rows = slice(begin, begin + 1000)
        nearness = 2 * (asking[rows] @ others.T).toarray() - length  # the squared distance but for the asking one's own
        nearness[np.arange(len(nearness)), asked.moments.user[rows]] = -np.inf
        nearest = np.argpartition(-nearness, 299, axis=1)[:, :300]
        starts = np.arange(0, nearest.size + 1, 300)
        mean = sparse.csr_matrix((np.full(nearest.size, 1 / 300), nearest.ravel(), starts), shape=nearness.shape)
        scores[rows] = alpha * asking[rows].toarray() + (1 - alpha) * (mean @ others).toarray()
    return _dense(split, scores, ideal_over_all=ideal_over_all)


def _tifu_vectors(every: Histories, moments: Moments) -> sparse.csr_matrix:
    lines = known_lines(every, moments)
    known = moments.known[lines.moment]
    size = -(-known // 7)
    age = lines.age_baskets - 1
    group, within = age // size, age % size
    groups = -(-known // size)
    length = np.minimum(size, known - group * size)
    weight = 0.9**within / length * 0.7**group / groups
    return sparse.csr_matrix((weight, (lines.moment, lines.product)), shape=(len(moments), every.products))


def _dense(split: Split, scores: Floats, *, ideal_over_all: bool) -> ByUser:
    first = np.sort(np.argpartition(-scores, 9, axis=1)[:, :10], axis=1)
    keys = pair_keys(split.histories, np.arange(len(scores))[:, np.newaxis], first).ravel()
    return _measured(split, keys, np.take_along_axis(scores, first, axis=1).ravel(), ideal_over_all=ideal_over_all)
