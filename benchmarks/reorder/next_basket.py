"""The protocol of the next-basket papers: given a user's baskets but the last, rank what is in the last."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet
from scipy import sparse

from shopstream.ml_features.models.boosting import (
    EARLIER_WEIGHT,
    Boosted,
    Examples,
    crossed_inputs,
    moments_back,
    train,
)
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

from .measures import ByUser, K, by_user

FEWEST_KNOWN = 2
TIFU_NEIGHBOURS = 300
TIFU_ALPHAS = (0.05, 0.1, 0.2, 0.4, 0.7)


@dataclass(frozen=True)
class Split:
    """Histories whose last baskets are known of some users, asked of others, and not used of the rest."""

    histories: Histories
    trained: Flags
    asked: Flags

    @property
    def known(self) -> Ints:
        """How many baskets of each user may be used: all of those trained on, all but the last of the others."""
        return np.where(self.trained, self.histories.baskets, self.histories.baskets - 1)


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


def learn(split: Split) -> Boosted:
    """The model of a split: what its users bought next, at their last known baskets, from others as known then."""
    every, parts = split.histories, []

    def askable(back: int) -> Ints:
        answer = every.baskets - 1 - back
        return np.flatnonzero((answer >= FEWEST_KNOWN) & (answer < split.known))

    for back in moments_back(lambda back: len(askable(back))):
        known, answer = np.minimum(split.known, every.baskets - back), every.baskets - 1 - back
        others, asked = np.flatnonzero(known > 0), askable(back)
        crossed = crossed_inputs(
            every, moments_before(every, others, known[others]), moments_before(every, asked, answer[asked])
        )
        for moments, inputs in crossed:
            bought = is_among(pair_keys(every, inputs.moment, inputs.product), bought_next(every, moments))
            weight = np.full(len(inputs), EARLIER_WEIGHT if back else 1.0)
            parts.append(Examples(inputs.names, inputs.matrix, bought, weight))
    return train(Examples.together(parts))


@dataclass(frozen=True)
class Asked:
    """The asked users, numbered from 0, what they bought, and what they had bought before, as sorted pair keys."""

    moments: Moments
    bought: Ints
    bought_before: Ints


def asked_users(split: Split) -> Asked:
    """The users whose last basket is asked."""
    users = np.flatnonzero(split.asked)
    moments = moments_before(split.histories, users, split.histories.baskets[users] - 1)
    lines = known_lines(split.histories, moments)
    before = np.unique(pair_keys(split.histories, lines.moment, lines.product))
    return Asked(moments, bought_next(split.histories, moments), before)


def measured_pairs(split: Split, keys: Ints, score: Floats, *, ideal_over_all: bool) -> ByUser:
    """What scored pairs of asked users (numbered from 0) and products are worth, keys ascending."""
    asked, products = asked_users(split), split.histories.products
    users = len(asked.moments)
    repeated = asked.bought[is_among(asked.bought, asked.bought_before)]
    return by_user(
        users=users,
        user=keys // products,
        product=keys % products,
        score=score,
        bought=is_among(keys, asked.bought),
        bought_before=is_among(keys, asked.bought_before),
        truth=np.bincount(asked.bought // products, minlength=users),
        truth_before=np.bincount(repeated // products, minlength=users),
        known=asked.moments.known,
        ideal_over_all=ideal_over_all,
    )


def model_tier(split: Split, *, ideal_over_all: bool = False) -> ByUser:
    """The model trained on the split, and what its rankings of the asked users are worth."""
    model, every, asked = learn(split), split.histories, asked_users(split).moments
    number = np.full(every.users, -1)
    number[asked.user] = np.arange(len(asked))
    others = moments_before(every, np.arange(every.users), split.known)
    keys, scores = [], []
    for moments, inputs in crossed_inputs(every, others, asked):
        keys.append(pair_keys(every, number[moments.user][inputs.moment], inputs.product))
        scores.append(model.scores(inputs.matrix))
    order = np.argsort(np.concatenate(keys), kind="stable")
    return measured_pairs(
        split, np.concatenate(keys)[order], np.concatenate(scores)[order], ideal_over_all=ideal_over_all
    )


def frequency(split: Split, *, ideal_over_all: bool = False) -> ByUser:
    """The plain peer: each user's products by number of purchases, then the latest; then what sells most."""
    asked = asked_users(split)
    lines = known_lines(split.histories, asked.moments)
    shape = (len(asked.moments), split.histories.products)
    count = sparse.csr_matrix((np.ones(len(lines.moment)), (lines.moment, lines.product)), shape=shape).toarray()
    latest = sparse.csr_matrix((0.5**lines.age_baskets, (lines.moment, lines.product)), shape=shape).toarray()
    return _dense(split, count + 1e-3 * latest + 1e-6 * _sold(split), ideal_over_all=ideal_over_all)


def popularity(split: Split, *, ideal_over_all: bool = False) -> ByUser:
    """The plainest peer: what sells most, for everyone."""
    users = len(asked_users(split).moments)
    return _dense(split, np.tile(_sold(split), (users, 1)), ideal_over_all=ideal_over_all)


def _sold(split: Split) -> Floats:
    """Of each product the share of all lines that are known."""
    every = split.histories
    lines = known_lines(every, moments_before(every, np.arange(every.users), split.known))
    share: Floats = np.bincount(lines.product, minlength=every.products) / len(lines.product)
    return share


def tifu_knn(split: Split, *, ideal_over_all: bool = False) -> ByUser:
    """TIFU-KNN with 300 neighbours, 7 groups and decays .9 and .7, and the best alpha for the asked users.

    Hu, He, Gao, Zhang: Modeling Personalized Item Frequency Information for Next-basket Recommendation (SIGIR 2020).
    The neighbours are all users with what is known of them, the answers of trained users included. That alpha is
    chosen on the asked users themselves favours this peer.
    """
    every, asked = split.histories, asked_users(split).moments
    others = _tifu_vectors(every, moments_before(every, np.arange(every.users), split.known))
    own = _tifu_vectors(every, asked)
    length = np.asarray(others.multiply(others).sum(axis=1)).ravel()
    theirs = np.empty((len(asked), every.products), dtype=np.float32)
    for begin in range(0, len(asked), 1000):
        rows = slice(begin, begin + 1000)
        nearness = 2 * (own[rows] @ others.T).toarray() - length  # the squared distance but for the asking one's own
        nearness[np.arange(len(nearness)), asked.user[rows]] = -np.inf
        nearest = np.argpartition(-nearness, TIFU_NEIGHBOURS - 1, axis=1)[:, :TIFU_NEIGHBOURS]
        starts = np.arange(0, nearest.size + 1, TIFU_NEIGHBOURS)
        weight = np.full(nearest.size, 1 / TIFU_NEIGHBOURS)
        theirs[rows] = (sparse.csr_matrix((weight, nearest.ravel(), starts), shape=nearness.shape) @ others).toarray()
    mine = own.toarray().astype(np.float32)
    found = [_dense(split, alpha * mine + (1 - alpha) * theirs, ideal_over_all=ideal_over_all) for alpha in TIFU_ALPHAS]
    return max(found, key=lambda each: float(each.recall.mean()))


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
    """Of all products the first ten, and the first ten of those that had not been bought."""
    products, before = split.histories.products, asked_users(split).bought_before
    new_scores = scores.copy()
    new_scores[before // products, before % products] = -np.inf
    first = np.concatenate([np.argpartition(-each, K - 1, axis=1)[:, :K] for each in (scores, new_scores)], axis=1)
    keys = np.unique(pair_keys(split.histories, np.arange(len(scores))[:, np.newaxis], first))
    return measured_pairs(split, keys, scores[keys // products, keys % products], ideal_over_all=ideal_over_all)
