"""What users' own lines say at moments: of each product bought, of the user, and of each group bought from."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .grouped import Grouped
from .histories import Floats, Histories, Ints, Lines, Moments, changes, is_among, pair_keys

Column = npt.NDArray[Any]
BASKET_DECAYS = (0.5, 0.7, 0.85, 0.95)
"""What a purchase counts beside one a basket later."""
HALF_LIVES = (7, 14, 30, 60, 120)
"""Days after which a purchase counts half."""
WINDOWS = (14, 30, 60, 90)
"""Days in which purchases are counted."""


class OwnHistory:
    """What a user's own lines say of each product bought, of the user, and of each group bought from."""

    def __init__(self, histories: Histories, moments: Moments, lines: Lines) -> None:
        self._histories, self._moments, self._lines = histories, moments, lines
        self._by_pair = Grouped(pair_keys(histories, lines.moment, lines.product), lines.age_baskets.astype(np.float64))
        self.keys = self._by_pair.keys
        basket = np.flatnonzero(changes(lines.moment, lines.basket))
        self._basket_moment = lines.moment[basket]
        self._basket_age = lines.age_days[basket]
        self._basket_size = np.diff(np.append(basket, len(lines.basket))).astype(np.float64)
        self._line_size = np.repeat(self._basket_size, self._basket_size.astype(np.int64))

    def pairs(self) -> Mapping[str, Floats]:
        """By `keys`: how often, when, how regularly and how much of the product the user bought."""
        lines, by_pair = self._lines, self._by_pair
        moment = by_pair.keys // self._histories.products
        known = self._moments.known[moment].astype(np.float64)
        count = by_pair.count
        baskets = lines.age_baskets.astype(np.float64)
        last, first, second = by_pair.latest(baskets), by_pair.oldest(baskets), by_pair.second(baskets)
        gap = np.where(count > 1, (first - last) / np.maximum(count - 1, 1), np.nan)
        days = lines.age_days
        last_day, first_day, second_day = by_pair.latest(days), by_pair.oldest(days), by_pair.second(days)
        day_gap = np.where(count > 1, (first_day - last_day) / np.maximum(count - 1, 1), np.nan)
        median_gap, gap_deviation = by_pair.gaps(days)
        _, basket_gap_deviation = by_pair.gaps(baskets)
        quantity = by_pair.sum(lines.quantity) / count
        stock = by_pair.latest(lines.quantity) / np.maximum(quantity, 1e-9)
        columns = {
            "purchases": count,
            "share_of_baskets": count / known,
            "baskets_since_last": last,
            "baskets_since_last_share": last / known,
            "baskets_since_first": first,
            "baskets_since_second": second,
            "baskets_gap": gap,
            "baskets_gap_deviation": basket_gap_deviation,
            "baskets_overdue": last / gap,
            "rate_a_basket": count / first,
            "basket_part": by_pair.sum(1 / self._line_size),
            "days_since_last": last_day,
            "days_since_second": second_day,
            "days_last_gap": second_day - last_day,
            "days_gap": day_gap,
            "days_gap_median": median_gap,
            "days_gap_deviation": gap_deviation,
            "days_gap_variation": gap_deviation / np.maximum(day_gap, 0.5),
            "days_overdue": last_day / np.maximum(day_gap, 0.5),
            "days_overdue_median": last_day / np.maximum(median_gap, 0.5),
            "days_overdue_stock": last_day / np.maximum(day_gap * stock, 0.5),
            "rate_a_day": count / np.maximum(first_day, 1),
            "quantity": quantity,
            "quantity_last": stock,
            "value": by_pair.sum(lines.value) / count,
        }
        columns |= {f"decayed_baskets_{decay}": by_pair.sum(decay ** (baskets - 1)) for decay in BASKET_DECAYS}
        columns |= {f"decayed_days_{days_}": by_pair.sum(0.5 ** (days / days_)) for days_ in HALF_LIVES}
        columns |= {f"purchases_{window}": by_pair.sum((days < window).astype(np.float64)) for window in WINDOWS}
        return columns

    def users(self) -> Mapping[str, Floats]:
        """By moment: how often and how much the user buys, and how much of that again."""
        lines, moments, by_pair = self._lines, self._moments, self._by_pair
        count = len(moments)

        def of(weights: Floats, moment: Ints) -> Floats:
            return np.bincount(moment, weights=weights, minlength=count).astype(np.float64)

        pair_moment = by_pair.keys // self._histories.products
        products = of(np.ones(len(pair_moment)), pair_moment)
        oldest = np.empty(len(lines.product))
        oldest[by_pair.order] = np.repeat(
            by_pair.oldest(lines.age_baskets.astype(np.float64)), by_pair.count.astype(np.int64)
        )
        again = oldest > lines.age_baskets
        last = lines.age_baskets == 1
        later = lines.age_baskets < moments.known[lines.moment]
        ones = np.ones(len(lines.product))
        age, by_user = self._basket_age, Grouped(self._basket_moment, self._basket_age)
        median_gap, gap_deviation = by_user.gaps(age)
        regular = by_pair.count > 1
        last_day = by_pair.latest(lines.age_days)
        columns = {
            "user_baskets": moments.known.astype(np.float64),
            "user_products": products,
            "user_basket_size": of(ones, lines.moment) / moments.known,
            "user_last_basket_size": of(last.astype(np.float64), lines.moment),
            "user_basket_value": of(lines.value, lines.moment) / moments.known,
            "user_products_bought_again": of(regular.astype(np.float64), pair_moment) / products,
            "user_lines_bought_again": of((again & later).astype(np.float64), lines.moment)
            / np.maximum(of(later.astype(np.float64), lines.moment), 1),
            "user_last_bought_again": of((again & last).astype(np.float64), lines.moment)
            / np.maximum(of(last.astype(np.float64), lines.moment), 1),
            "user_days_since_last": by_user.latest(age),
            "user_days_known": by_user.oldest(age),
            "user_days_gap_median": median_gap,
            "user_days_gap_deviation": gap_deviation,
            "user_rate_a_day": moments.known / np.maximum(by_user.oldest(age), 1),
        }
        columns |= {
            f"user_again_last_{days}": (of((regular & (last_day < days)).astype(np.float64), pair_moment) + 1)
            / (of(regular.astype(np.float64), pair_moment) + 5)
            for days in (7, 30)
        }
        columns |= {f"user_decayed_{days}": by_user.sum(0.5 ** (age / days)) for days in (7, 21, 60, 120)}
        columns |= {f"user_baskets_{days}": by_user.sum((age < days).astype(np.float64)) for days in (7, 14, 30, 60)}
        return columns

    def groups(self, moment: Ints, product: Ints, pairs: Mapping[str, Column]) -> Mapping[str, Floats]:
        """By row: what the user bought of the product's group; NaN where nothing. `pairs` are the rows of `pairs`."""
        histories, lines = self._histories, self._lines
        groups = int(histories.product_group.max()) + 1
        line_group = histories.product_group[lines.product]
        # One purchase of a group a basket, however many of its products were in it.
        key = lines.moment * groups + line_group
        in_basket = np.unique(np.column_stack([key, lines.age_baskets]), axis=0, return_index=True)[1]
        by_group = Grouped(key[in_basket], lines.age_baskets[in_basket].astype(np.float64))
        age = lines.age_days[in_basket]
        bought_at, bought = np.divmod(self.keys, histories.products)
        bought_group = bought_at * groups + histories.product_group[bought]
        products = np.bincount(np.searchsorted(by_group.keys, bought_group), minlength=len(by_group.keys))
        gap = np.where(
            by_group.count > 1,
            (by_group.oldest(age) - by_group.latest(age)) / np.maximum(by_group.count - 1, 1),
            np.nan,
        )
        figures = {
            "group_purchases": by_group.count,
            "group_products": products.astype(np.float64),
            "group_days_since_last": by_group.latest(age),
            "group_days_gap": gap,
            "group_days_overdue": by_group.latest(age) / np.maximum(gap, 0.5),
            "group_decayed_14": by_group.sum(0.5 ** (age / 14)),
            "group_decayed_60": by_group.sum(0.5 ** (age / 60)),
        }
        wanted = moment * groups + histories.product_group[product]
        known = is_among(wanted, by_group.keys)
        place = np.where(known, np.searchsorted(by_group.keys, wanted), 0)
        found = {name: np.where(known, values[place], np.nan) for name, values in figures.items()}
        found["group_share"] = pairs["decayed_days_60"] / found["group_decayed_60"]
        found["group_other_since"] = pairs["days_since_last"] - found["group_days_since_last"]
        return found
