"""The SQL tier's next basket: reorders and explorations from their SQL texts, put together by the product's own rules.

The histories know the order of baskets and no dates; here a basket is a week, and the last known one ended yesterday.
"""

from collections import defaultdict

import duckdb
import numpy as np
import pyarrow as pa

from shopstream.ml_features.decisions.decide import decide
from shopstream.ml_features.decisions.facts import Bought, Facts, New, Popular
from shopstream.ml_features.models.histories import Floats, Histories, Ints, known_lines, moments_before
from shopstream.ml_features.models.reorder import DEFAULT_WEIGHTS

from .measures import ByUser, K
from .next_basket import Split, asked_users, measured_pairs
from .sql_tier import connect, fill, give_profiles, give_weights, purchases_of, reorders_statement

DAYS_A_BASKET = 7.0
_EXPLORED_BY = ("product_popularity", "product_affinities", "explorations")
_BOUGHT = """
SELECT user_id, product_id, purchases, days_since_last, mean_gap_days, probability FROM reorders WHERE "rank" <= 100
"""
_NEW = "SELECT user_id, product_id, probability, source FROM explorations"
_POPULAR = 'SELECT product_id, share, buyers FROM product_popularity WHERE "rank" <= 100'


def sql_tier(split: Split, *, ideal_over_all: bool = False) -> ByUser:
    """What the lists of the asked users are worth; weights are those a shop begins with."""
    connection = connect(_purchases(split))
    give_weights(connection, DEFAULT_WEIGHTS)
    give_profiles(connection)
    connection.execute(f"CREATE TABLE reorders AS {reorders_statement()}")
    for table in _EXPLORED_BY:
        fill(connection, table)
    lists, new_lists = _lists(connection, asked_users(split).moments.user)
    keys, scores = [], []
    for number, (listed, new_listed) in enumerate(zip(lists, new_lists, strict=True)):
        # What is only in the list of new products stands behind the whole list.
        ranked = [*listed, *(product for product in new_listed if product not in listed)]
        keys += [number * split.histories.products + product for product in ranked]
        scores += [-float(place) for place in range(len(ranked))]
    found: Ints = np.array(keys, dtype=np.int64)
    order = np.argsort(found)
    return measured_pairs(split, found[order], np.array(scores)[order], ideal_over_all=ideal_over_all)


def _purchases(split: Split) -> pa.Table:
    every: Histories = split.histories
    lines = known_lines(every, moments_before(every, np.arange(every.users), split.known))
    age_days: Floats = lines.age_baskets * DAYS_A_BASKET - DAYS_A_BASKET + 1
    return purchases_of(user=lines.moment, product=lines.product, order=lines.basket, age_days=age_days)


def _lists(connection: duckdb.DuckDBPyConnection, users: Ints) -> tuple[list[list[int]], list[list[int]]]:
    """Of each user the next basket, and something new."""
    popular = tuple(
        Popular(product_id=product, category=None, share=share, buyers=buyers)
        for product, share, buyers in connection.execute(_POPULAR).fetchall()
    )
    bought, new = defaultdict(list), defaultdict(list)
    for user, product, purchases, since, gap, probability in connection.execute(_BOUGHT).fetchall():
        bought[user].append(
            Bought(
                product_id=product,
                category=None,
                purchases=purchases,
                days_since_last=since,
                mean_gap_days=gap,
                probability=probability,
            )
        )
    for user, product, probability, source in connection.execute(_NEW).fetchall():
        new[user].append(New(product_id=product, category=None, probability=probability, source=source))
    lists: tuple[list[list[int]], list[list[int]]] = ([], [])
    for user in users.astype(str).tolist():
        for kind, found in zip(("next_basket", "something_new"), lists, strict=True):
            facts = Facts.model_validate(
                {
                    "kind": kind,
                    "k": K,
                    "consent": "granted",
                    "allowed": True,
                    "bought": tuple(bought[user]),
                    "new": tuple(new[user]),
                    "popular": popular,
                }
            )
            found.append([int(item.product_id) for item in decide(facts).items])
    return lists
