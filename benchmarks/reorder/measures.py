"""What a ranking of products is worth, by user: recall, NDCG and hits of its first places."""

from dataclasses import dataclass

import numpy as np

from shopstream.ml_features.models.histories import Flags, Floats, Ints, changes

K = 10


@dataclass(frozen=True)
class ByUser:
    """One value a user, users in one order for every ranking measured, so that two may be compared in pairs."""

    recall: Floats
    """Of what was bought, the share among the first K."""
    ndcg: Floats
    hit: Floats
    """1 where at least one of the first K was bought, otherwise 0; the mean is the PHR."""
    repeat_recall: Floats
    """Recall of what had been bought before; NaN where nothing was."""
    explore_recall: Floats
    """Recall of what had not; NaN likewise."""
    new_recall: Floats
    """Recall of what had not been bought before by the first K of the products that had not; NaN where nothing was."""
    known: Ints
    """How many baskets of the user were known."""
    shown: Ints
    """The products of all lists, one after the other."""


def by_user(
    *,
    users: int,
    user: Ints,
    product: Ints,
    score: Floats,
    bought: Flags,
    bought_before: Flags,
    truth: Ints,
    truth_before: Ints,
    known: Ints,
    ideal_over_all: bool = False,
) -> ByUser:
    """The measures of `users` users, from scored pairs: of each its user, whether it was bought, and bought before.

    Args:
        users: How many users; `user` counts from 0.
        user: Of each pair.
        product: Of each pair.
        score: Of each pair, the greatest first.
        bought: Whether the pair is part of the truth.
        bought_before: Whether the product was in the user's history.
        truth: How many products each user bought.
        truth_before: How many of them were in the history.
        known: How many baskets of each user were known.
        ideal_over_all: NDCG's ideal counts every product bought, not the first K only, as some papers have it.
    """
    place = ranked(user, score)
    first = (place < K) & bought
    new = np.flatnonzero(~bought_before)
    first_new = new[(ranked(user[new], score[new]) < K) & bought[new]]

    def hits(which: Flags) -> Floats:
        return np.bincount(user[which], minlength=users).astype(np.float64)

    gain = np.bincount(user[first], weights=1 / np.log2(place[first] + 2.0), minlength=users)
    ideal = np.append(0.0, np.cumsum(1 / np.log2(np.arange(2.0, truth.max() + 2.0))))
    most = truth if ideal_over_all else np.minimum(truth, K)
    with np.errstate(invalid="ignore"):
        return ByUser(
            recall=hits(first) / truth,
            ndcg=gain / ideal[most],
            hit=(hits(first) > 0).astype(np.float64),
            repeat_recall=hits(first & bought_before) / truth_before,
            explore_recall=hits(first & ~bought_before) / (truth - truth_before),
            new_recall=np.bincount(user[first_new], minlength=users) / (truth - truth_before),
            known=known,
            shown=product[place < K],
        )


def ranked(user: Ints, score: Floats) -> Ints:
    """The place of each row among the rows of its user, from 0, the greatest score first; a tie keeps the order."""
    order = np.lexsort((-score, user))
    starts = np.flatnonzero(changes(user[order]))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return place
