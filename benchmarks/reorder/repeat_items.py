"""CASE's protocol (SIGIR 2026): rank only what a user bought before; which of it is in the next basket?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from shopstream.ml_features.models.boosting import EARLIER_WEIGHT, Examples, crossed_inputs, moments_back, train
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
from shopstream.ml_features.models.reorder import INPUTS, logistic

from .measures import ranked
from .next_basket import FEWEST_KNOWN
from .sql_tier import connect, purchases_of, unweighted_inputs

K = 5
PARTS = 5
"""Users are asked a fifth at a time, with what the other four fifths taught."""


@dataclass(frozen=True)
class RepeatItems:
    """Histories up to the asked basket, which is on day 0, and what of them is in it."""

    histories: Histories
    answers: Ints
    """Sorted keys user * products + product."""

    @property
    def back(self) -> range:
        """How many baskets back users are learned from."""
        return moments_back(lambda back: len(self.asked(back)))

    def asked(self, back: int) -> Moments:
        """Every user `back` baskets before the asked one."""
        every = self.histories
        known = every.baskets - back
        user = np.flatnonzero(known >= FEWEST_KNOWN)
        moments = moments_before(every, user, known[user])
        return moments if back else replace(moments, day=np.zeros(len(moments)))

    def bought(self, moments: Moments, moment: Ints, product: Ints, back: int) -> Flags:
        """Which of these pairs are in the basket that followed."""
        if back:
            return is_among(pair_keys(self.histories, moment, product), bought_next(self.histories, moments))
        return is_among(moments.user[moment] * self.histories.products + product, self.answers)


def read(file: Path) -> RepeatItems:
    """A file of CASE's protocol."""
    table = parquet.read_table(file)
    user, item, before, label = (
        table[name].to_numpy().astype(np.int64) for name in ("user", "item", "days_before_target", "label")
    )
    every = histories(user=user, basket=-before, product=item, day=-before)
    wanted = label == 1
    found = np.searchsorted(every.user_ids, user[wanted]) * every.products
    return RepeatItems(every, np.unique(found + np.searchsorted(every.product_ids, item[wanted])))


def precision(user: Ints, score: Floats, bought: Flags) -> tuple[Ints, Floats]:
    """P@K of each user with at least K candidates and one hit among them, and who they are."""
    first = ranked(user, score) < K
    candidates = np.bincount(user)
    hits = np.bincount(user, weights=bought)
    counted = np.flatnonzero((candidates >= K) & (hits > 0))
    return counted, np.bincount(user[first], weights=bought[first], minlength=len(candidates))[counted] / K


@dataclass(frozen=True)
class Rows:
    """Pairs bought before, at users' moments, with what is known of each and whether it was bought next."""

    user: Ints
    back: Ints
    """How many baskets before the asked one the moment is; 0 for those to be ranked."""
    bought: Flags
    matrix: Floats

    def __getitem__(self, chosen: Flags) -> "Rows":
        return Rows(self.user[chosen], self.back[chosen], self.bought[chosen], self.matrix[chosen])

    @property
    def weight(self) -> Floats:
        """What each counts in learning."""
        return np.where(self.back == 0, 1.0, EARLIER_WEIGHT)

    @classmethod
    def together(cls, parts: Sequence["Rows"]) -> "Rows":
        """All rows of several parts."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))


def _cross_fitted(rows: Rows, learn: Callable[[Rows], Callable[[Floats], Floats]]) -> tuple[Ints, Floats]:
    """P@K by user: each fifth of the users ranked by what the other four fifths taught."""
    latest, score = rows.back == 0, np.zeros(len(rows.user))
    for part in range(PARTS):
        asked = rows.user % PARTS == part
        score_of = learn(rows[~asked])
        score[asked & latest] = score_of(rows.matrix[asked & latest])
    return precision(rows.user[latest], score[latest], rows.bought[latest])


def model_tier(every: RepeatItems) -> tuple[Ints, Floats]:
    """P@K of the model tier, by user."""
    parts = []
    for back in every.back:
        asked = every.asked(back)
        for moments, inputs in crossed_inputs(every.histories, asked, asked, explore=False):
            bought = every.bought(moments, inputs.moment, inputs.product, back)
            parts.append(Rows(moments.user[inputs.moment], np.full(len(inputs), back), bought, inputs.matrix))
    names = inputs.names
    return _cross_fitted(
        Rows.together(parts), lambda rows: train(Examples(names, rows.matrix, rows.bought, rows.weight)).scores
    )


def sql_tier(every: RepeatItems) -> tuple[Ints, Floats]:
    """P@K of the SQL tier, by user: its inputs from its SQL text, its weights fitted as the job fits them."""
    parts = []
    for back in every.back:
        moments = every.asked(back)
        moment, product, matrix = _sql_inputs(every.histories, moments)
        bought = every.bought(moments, moment, product, back)
        parts.append(Rows(moments.user[moment], np.full(len(moment), back), bought, matrix))

    def learn(rows: Rows) -> Callable[[Floats], Floats]:
        weights = logistic(rows.matrix, rows.bought, rows.weight)
        by_input = np.array([weights[name] for name in INPUTS])
        return lambda matrix: matrix @ by_input

    return _cross_fitted(Rows.together(parts), learn)


def _sql_inputs(every: Histories, moments: Moments) -> tuple[Ints, Ints, Floats]:
    """Moment and product of every pair bought before, and its INPUTS from reorders/query.sql."""
    lines = known_lines(every, moments)
    purchases = purchases_of(user=lines.moment, product=lines.product, order=lines.basket, age_days=lines.age_days)
    pairs, matrix = unweighted_inputs(connect(purchases))
    moment, product = (pairs[name].cast(pa.int64()).to_numpy() for name in ("user_id", "product_id"))
    order = np.lexsort((product, moment))
    return moment[order], product[order], matrix[order]


def frequency(every: RepeatItems) -> tuple[Ints, Floats]:
    """P@K of the plain peer: by number of purchases, then by the latest."""
    moments = every.asked(0)
    lines = known_lines(every.histories, moments)
    keys = pair_keys(every.histories, lines.moment, lines.product)
    pair, at, count = np.unique(keys, return_inverse=True, return_counts=True)
    latest = np.full(len(pair), np.inf)
    np.minimum.at(latest, at, lines.age_days)
    moment, product = np.divmod(pair, every.histories.products)
    bought = every.bought(moments, moment, product, 0)
    return precision(moments.user[moment], count - latest / 1e6, bought)
