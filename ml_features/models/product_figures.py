"""What users' histories say of each product: how much it sells, lately and before, and how often it is bought again."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .grouped import Grouped
from .histories import Floats, Histories, Lines, Moments, pair_keys

RECENT_PRICE_DAYS = 10


@dataclass(frozen=True)
class ProductFigures:
    """What the neighbours say of each product; one element a product."""

    names: tuple[str, ...]
    values: npt.NDArray[np.float32]
    """A row a product, a column a name."""


def product_figures(histories: Histories, moments: Moments, lines: Lines) -> ProductFigures:
    """The figures of every product, from what is known at the moments (one a user).

    Rates are smoothed by a few average buyers, and none grows with the length of the history alone.
    """
    products = histories.products
    by_pair = Grouped(pair_keys(histories, lines.moment, lines.product), lines.age_days)
    product, times = by_pair.keys % products, by_pair.count
    first_days, last_days = by_pair.oldest(lines.age_days), by_pair.latest(lines.age_days)
    first_baskets = by_pair.oldest(lines.age_baskets.astype(np.float64))

    def of_pairs(weights: Floats) -> Floats:
        return np.bincount(product, weights=weights, minlength=products).astype(np.float64)

    def of_lines(weights: Floats) -> Floats:
        return np.bincount(lines.product, weights=weights, minlength=products).astype(np.float64)

    def decayed(days: float) -> Floats:
        a_day: Floats = of_lines(0.5 ** (lines.age_days / days)) / days
        return a_day + 0.05

    def bought_lately(days: float) -> Floats:
        lately = again & (last_days < days)
        average = lately.sum() / max(again.sum(), 1)
        share: Floats = (of_pairs(lately.astype(np.float64)) + 5 * average) / (regular + 5)
        return share

    again = times > 1
    regular = of_pairs(again.astype(np.float64))
    buyers = of_pairs(np.ones(len(product)))
    sold = of_lines(np.ones(len(lines.product)))
    unit_price = lines.value / np.maximum(lines.quantity, 1e-9)
    recent = (lines.age_days < RECENT_PRICE_DAYS).astype(np.float64)
    usual = of_lines(unit_price) / np.maximum(sold, 1)
    now = of_lines(unit_price * recent) / np.maximum(of_lines(recent), 1)
    popularity = sold / max(int(moments.known.sum()), 1)
    popularity_last = of_lines((lines.age_baskets == 1).astype(np.float64)) / max(len(moments), 1)
    slow = decayed(90)
    columns = {
        "product_popularity": popularity,
        "product_popularity_last": popularity_last,
        "product_popularity_change": popularity_last / (popularity + 1e-4),
        "product_buyers": buyers / max(len(moments), 1),
        "product_repeat_share": (regular + 1) / (buyers + 5),
        "product_again_a_basket": (of_pairs(times - 1) + 0.5) / (of_pairs(first_baskets - 1) + 10),
        "product_again_a_day": (of_pairs(times - 1) + 0.5) / (of_pairs(first_days) + 60),
        **{f"product_trend_{days}": decayed(days) / slow for days in (7, 14, 30)},
        **{f"product_again_last_{days}": bought_lately(days) for days in (7, 30)},
        "product_price_change": np.where((now > 0) & (usual > 0), now / np.maximum(usual, 1e-9), 1.0),
        "product_price": usual,
    }
    return ProductFigures(tuple(columns), np.column_stack(list(columns.values())).astype(np.float32))
