"""CASE's protocol (SIGIR 2026): rank only what a user bought before; which of it is in the next basket?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from shopstream.ml_features.models.boosting import Examples, crossed_inputs, ranked, train
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
from shopstream.ml_features.models.reorder import BOUGHT, INPUTS, logistic

from .next_basket import EARLIER_WEIGHT
from .sql_tier import AS_OF, connect, give_weights, reorders_statement

K = 5
EARLIER_BASKETS = 5
"""The users are few: of each so many baskets before the asked one serve as answers too."""
FEWEST_KNOWN = 2
PARTS = 5
"""Users are asked a fifth at a time, with what the other four fifths taught."""


@dataclass(frozen=True)
class Pairs:
    """Products bought before, at moments of users: what is to be ranked."""

    user: Ints
    product: Ints
    bought: Flags
    weight: float


@dataclass(frozen=True)
class RepeatItems:
    """Histories up to the asked basket, which is on day 0, and what of them is in it."""

    histories: Histories
    answers: Ints
    """Sorted keys user * products + product."""

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


def model_tier(every: RepeatItems, threads: int = 0) -> tuple[Ints, Floats]:
    """P@K of the model tier, by user."""
    parts: list[tuple[Ints, Examples]] = []
    for back in range(EARLIER_BASKETS + 1):
        asked = every.asked(back)
        for moments, inputs in crossed_inputs(every.histories, asked, asked, explore=False):
            bought = every.bought(moments, inputs.moment, inputs.product, back)
            weight = np.full(len(inputs), 1.0 if back == 0 else EARLIER_WEIGHT)
            user = moments.user[inputs.moment]
            parts.append((np.where(back == 0, user, -1 - user), Examples(inputs.names, inputs.matrix, bought, weight)))
    user = np.concatenate([owner for owner, _ in parts])
    examples = Examples.together([part for _, part in parts])
    score = np.zeros(len(user))
    for asked_part, learned in _parts(np.where(user < 0, -1 - user, user)):
        model = train(
            Examples(examples.names, examples.matrix[learned], examples.bought[learned], examples.weight[learned]),
            threads=threads,
        )
        now = asked_part & (user >= 0)
        score[now] = model.scores(examples.matrix[now])
    now = user >= 0
    return precision(user[now], score[now], examples.bought[now])


def sql_tier(every: RepeatItems) -> tuple[Ints, Floats]:
    """P@K of the SQL tier, by user: its inputs from its SQL text, its weights fitted as the job fits them."""
    inputs, users, answers, weights, backs = [], [], [], [], []
    for back in range(EARLIER_BASKETS + 1):
        moments = every.asked(back)
        matrix, user, product = sql_inputs(every.histories, moments)
        inputs.append(matrix)
        users.append(moments.user[user])
        answers.append(every.bought(moments, user, product, back))
        weights.append(np.full(len(user), 1.0 if back == 0 else EARLIER_WEIGHT))
        backs.append(np.full(len(user), back))
    matrix, user, bought = np.concatenate(inputs), np.concatenate(users), np.concatenate(answers)
    weight, back_of = np.concatenate(weights), np.concatenate(backs)
    score = np.zeros(len(user))
    for asked_part, learned in _parts(user):
        found = logistic(matrix[learned], bought[learned], weight[learned])
        now = asked_part & (back_of == 0)
        score[now] = matrix[now] @ np.array([found[name] for name in INPUTS])
    now = back_of == 0
    return precision(user[now], score[now], bought[now])


def sql_inputs(every: Histories, moments: Moments) -> tuple[Floats, Ints, Ints]:
    """INPUTS of every pair bought before, from reorders/query.sql, and each pair's moment and product."""
    lines = known_lines(every, moments)
    end = datetime.combine(AS_OF + timedelta(days=1), time())
    ordered = np.datetime64(end, "us") - (lines.age_days * 86_400_000_000).astype("timedelta64[us]")
    purchases = pa.table(
        {
            "user_id": pa.array(lines.moment).cast(pa.string()),
            "product_id": pa.array(lines.product).cast(pa.string()),
            "category": pa.nulls(len(ordered), pa.string()),
            "order_id": pa.array(lines.basket).cast(pa.string()),
            "ordered_at": pa.array(ordered),
            "quantity": pa.array(np.ones(len(ordered), dtype=np.int64)),
        }
    )
    connection = connect(purchases)
    give_weights(connection, {horizon: {"intercept": 0.0} for horizon in BOUGHT})
    columns = ", ".join(f"inputs.{name}::DOUBLE" for name in INPUTS)
    statement = f"SELECT user_id::BIGINT, product_id::BIGINT, {columns} FROM ({reorders_statement()})"  # noqa: S608
    table = connection.execute(statement).to_arrow_table()
    moment, product, *matrix = (column.to_numpy() for column in table.columns)
    order = np.lexsort((product, moment))
    return np.column_stack(matrix)[order], moment[order], product[order]


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


def _parts(user: Ints) -> Iterator[tuple[Flags, Flags]]:
    for part in range(PARTS):
        asked = user % PARTS == part
        yield asked, ~asked
