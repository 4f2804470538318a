"""Counts of users become figures that may be told: with noise where that is asked for, and rounded."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from shopstream.schemas import SettingsError
from shopstream.schemas.features import ProductQuery, Query

from .settings import FeatureSettings

MOST_SEARCHES = 10
"""Of one user's searches for one query so many are counted: tables/queries/query.sql. It bounds what a user adds."""

Noise = Callable[[int, float], int]
"""An exact count and the scale; gives the count with Laplace noise of that scale."""


def told_queries(
    rows: Sequence[Mapping[str, Any]], as_of: date, settings: FeatureSettings, noise: Noise | None = None
) -> list[Query]:
    """What may be stored of exact counts.

    With epsilon each count is epsilon-differentially private by itself (the geometric mechanism of Ghosh, Roughgarden
    and Sundararajan, 2009, which is Laplace noise on whole numbers): one user changes a count of users by one at most,
    and of searches by ten. Which queries are told at all is decided without noise, by the number of users.

    Raises:
        ValueError: A group is smaller than AGGREGATES_MINIMUM_USERS, so the statement did not do its part.
        SettingsError: AGGREGATES_EPSILON is set and the library for noise is not installed.
    """
    most = dict.fromkeys(("users", "clicked", "carted", "ordered", "without_results", "abandoned"), 1)
    told = _told(rows, most | {"searches": MOST_SEARCHES}, settings, noise)
    return [Query(**row | {"as_of": as_of}) for row in told]


def told_product_queries(
    rows: Sequence[Mapping[str, Any]], as_of: date, settings: FeatureSettings, noise: Noise | None = None
) -> list[ProductQuery]:
    """The same of products by query, where a user changes each count by one.

    Raises:
        ValueError: As of `told_queries`.
        SettingsError: As of `told_queries`.
    """
    told = _told(rows, dict.fromkeys(("users", "clicked", "carted", "ordered"), 1), settings, noise)
    return [ProductQuery(**row | {"as_of": as_of}) for row in told]


def _told(
    rows: Sequence[Mapping[str, Any]],
    most_of_one_user: Mapping[str, int],
    settings: FeatureSettings,
    noise: Noise | None,
) -> list[dict[str, Any]]:
    if small := [row for row in rows if row["users"] < settings.aggregates_minimum_users]:
        raise ValueError(f"{len(small)} groups have fewer than {settings.aggregates_minimum_users} users; none is told")
    epsilon, rounding = settings.aggregates_epsilon, settings.aggregates_rounding

    def told(exact: int, most: int) -> int:
        if epsilon is not None:
            exact = (noise or laplace_noise)(exact, most / epsilon)
        return max(0, (exact + rounding // 2) // rounding * rounding)

    return [{**row, **{name: told(row[name], most) for name, most in most_of_one_user.items()}} for row in rows]


def laplace_noise(exact: int, scale: float) -> int:
    """The count with discrete Laplace noise by OpenDP, whose sampler leaks nothing through floating point.

    Raises:
        SettingsError: OpenDP is not installed.
    """
    try:
        import opendp.prelude as dp
    except ImportError:
        raise SettingsError(
            "AGGREGATES_EPSILON is set, but OpenDP is not installed: pip install 'shopstream[features,noise]'"
        ) from None
    dp.enable_features("contrib")
    mechanism = dp.m.make_laplace(dp.atom_domain(T=int), dp.absolute_distance(T=int), scale=scale)
    return int(mechanism(exact))
