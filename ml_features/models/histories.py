"""Who bought what in which basket, as arrays: what the model tier computes on, whatever the data came from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Histories:
    """Purchases of many users. Users, products and groups are numbered from 0; baskets stand by user, then by time."""

    user_ids: npt.NDArray[Any]
    """The identifier of each user number, sorted."""
    product_ids: npt.NDArray[Any]
    """The identifier of each product number, sorted."""
    product_group: Ints
    """The group (category) of each product; all 0 where none is known."""
    line_product: Ints
    line_quantity: Floats
    line_value: Floats
    """What was paid for the line, in the shop's currency; all 0 where it is not known."""
    basket_starts: Ints
    """The first line of each basket, and behind the last basket the number of lines."""
    basket_day: Floats
    """When it was bought, in days since any one moment."""
    user_starts: Ints
    """The first basket of each user, and behind the last user the number of baskets."""

    @property
    def users(self) -> int:
        """How many users there are."""
        return len(self.user_ids)

    @property
    def products(self) -> int:
        """How many products there are."""
        return len(self.product_ids)

    @property
    def baskets(self) -> Ints:
        """How many baskets each user has."""
        return np.diff(self.user_starts)

    @property
    def basket_size(self) -> Ints:
        """How many products each basket holds."""
        return np.diff(self.basket_starts)


@dataclass(frozen=True)
class Moments:
    """Users at moments. Of `user[i]` the first `known[i]` baskets are known, and it is `day[i]`."""

    user: Ints
    known: Ints
    day: Floats

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, chosen: slice | Ints | Flags) -> "Moments":
        return Moments(self.user[chosen], self.known[chosen], self.day[chosen])


@dataclass(frozen=True)
class Lines:
    """The lines known at moments, by moment, then from the oldest to the latest."""

    moment: Ints
    basket: Ints
    product: Ints
    quantity: Floats
    value: Floats
    age_baskets: Ints
    """1 for the latest basket known, 2 for the one before."""
    age_days: Floats

    def __getitem__(self, chosen: Flags) -> "Lines":
        return Lines(
            self.moment[chosen],
            self.basket[chosen],
            self.product[chosen],
            self.quantity[chosen],
            self.value[chosen],
            self.age_baskets[chosen],
            self.age_days[chosen],
        )


def histories(
    *,
    user: npt.ArrayLike,
    basket: npt.ArrayLike,
    product: npt.ArrayLike,
    day: npt.ArrayLike,
    quantity: npt.ArrayLike | None = None,
    value: npt.ArrayLike | None = None,
    group: npt.ArrayLike | None = None,
) -> Histories:
    """Histories from order lines in any order: one element a line; lines of a basket and product are added up.

    `basket` tells a user's baskets apart, `day` (days since any one moment) puts them in order; where a source knows
    the order but no dates, the number of the basket serves as day. Without quantities a line counts 1.

    Raises:
        ValueError: There is no line.
    """
    user_ids, users = np.unique(np.asarray(user), return_inverse=True)
    if not len(users):
        raise ValueError("histories need at least one order line")
    product_ids, products = np.unique(np.asarray(product), return_inverse=True)
    _, baskets = np.unique(np.asarray(basket), return_inverse=True)
    days = np.asarray(day, dtype=np.float64)
    quantities = np.ones(len(users)) if quantity is None else np.asarray(quantity, dtype=np.float64)
    values = np.zeros(len(users)) if value is None else np.asarray(value, dtype=np.float64)
    _, groups = np.unique(np.zeros(len(users)) if group is None else np.asarray(group), return_inverse=True)

    order = np.lexsort((products, baskets, days, users))
    users, products, baskets, days = users[order], products[order], baskets[order], days[order]
    new_basket = changes(users, baskets)
    lines = np.flatnonzero(new_basket | changes(products))
    starts_basket = np.flatnonzero(new_basket[lines])
    firsts = lines[starts_basket]
    product_group = np.zeros(len(product_ids), dtype=np.int64)
    product_group[products] = groups[order]
    return Histories(
        user_ids=user_ids,
        product_ids=product_ids,
        product_group=product_group,
        line_product=products[lines],
        line_quantity=np.add.reduceat(quantities[order], lines),
        line_value=np.add.reduceat(values[order], lines),
        basket_starts=np.append(starts_basket, len(lines)),
        basket_day=days[firsts],
        user_starts=np.searchsorted(users[firsts], np.arange(len(user_ids) + 1)),
    )


def changes(*columns: npt.NDArray[Any]) -> Flags:
    """Where a row differs from the one before in any column; the first row always does."""
    changed = np.ones(len(columns[0]), dtype=np.bool_)
    changed[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changed


def moments_on(histories: Histories, day: float) -> Moments:
    """Every user who bought before this day, with what was known then."""
    earlier = np.append(0, np.cumsum(histories.basket_day < day))
    known = earlier[histories.user_starts[1:]] - earlier[histories.user_starts[:-1]]
    user = np.flatnonzero(known > 0)
    return Moments(user, known[user], np.full(len(user), float(day)))


def moments_before(histories: Histories, user: Ints, known: Ints) -> Moments:
    """Users just before the basket that follows the first `known` ones; where none follows, one day after the last."""
    following = histories.user_starts[user] + known
    last = histories.basket_day[np.maximum(following - 1, 0)]
    exists = following < histories.user_starts[user + 1]
    day = np.where(exists, histories.basket_day[np.minimum(following, len(histories.basket_day) - 1)], last + 1)
    return Moments(user, known, day.astype(np.float64))


def known_lines(histories: Histories, moments: Moments) -> Lines:
    """What is known at these moments."""
    first = histories.user_starts[moments.user]
    begin, end = histories.basket_starts[first], histories.basket_starts[first + moments.known]
    line = spans(begin, end - begin)
    moment = np.repeat(np.arange(len(moments)), end - begin)
    basket = np.repeat(np.arange(len(histories.basket_size)), histories.basket_size)[line]
    return Lines(
        moment=moment,
        basket=basket,
        product=histories.line_product[line],
        quantity=histories.line_quantity[line],
        value=histories.line_value[line],
        age_baskets=(first + moments.known)[moment] - basket,
        age_days=moments.day[moment] - histories.basket_day[basket],
    )


def bought_next(histories: Histories, moments: Moments) -> Ints:
    """The pairs of moment and product in the basket that follows what is known, as sorted `pair_keys`."""
    following = histories.user_starts[moments.user] + moments.known
    return _keys_of_baskets(histories, np.arange(len(moments)), following)


def bought_within(histories: Histories, moments: Moments, days: float) -> Ints:
    """The pairs of moment and product bought less than so many days after, as sorted `pair_keys`."""
    following = histories.user_starts[moments.user] + moments.known
    left = histories.user_starts[moments.user + 1] - following
    moment = np.repeat(np.arange(len(moments)), left)
    basket = spans(following, left)
    soon = histories.basket_day[basket] < moments.day[moment] + days
    return _keys_of_baskets(histories, moment[soon], basket[soon])


def _keys_of_baskets(histories: Histories, moment: Ints, basket: Ints) -> Ints:
    begin, end = histories.basket_starts[basket], histories.basket_starts[basket + 1]
    product = histories.line_product[spans(begin, end - begin)]
    return np.unique(pair_keys(histories, np.repeat(moment, end - begin), product))


def pair_keys(histories: Histories, moment: Ints, product: Ints) -> Ints:
    """One number for a moment and a product; numbers sort by moment, then by product."""
    return moment * histories.products + product


def is_among(keys: Ints, sorted_keys: Ints) -> Flags:
    """Which of the keys are in a sorted list of keys."""
    if not len(sorted_keys):
        return np.zeros(len(keys), dtype=np.bool_)
    place = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found: Flags = sorted_keys[place] == keys
    return found


def spans(begin: Ints, length: Ints) -> Ints:
    """The numbers begin, begin + 1, … of every span, one span after the other."""
    ends = np.cumsum(length)
    numbers: Ints = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(begin - (ends - length), length)
    return numbers
