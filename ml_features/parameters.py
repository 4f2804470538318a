"""What every feature statement is given: the days it is about, and what settings say of whom may be told."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from google.cloud import bigquery

from .settings import FeatureSettings

_FIRST_MONDAY = date(1970, 1, 5)


@dataclass(frozen=True)
class Days:
    """The days a run computes, first and last included."""

    first: date
    last: date
    """What is known by its end is used: as_of."""


def parameters(settings: FeatureSettings, days: Days, statement: str) -> list[Any]:
    """The query parameters of a run, of those the statement names."""
    window_start = window_ending(days.last, settings.aggregates_window_days)
    scalar = bigquery.ScalarQueryParameter
    every = [
        scalar("as_of", "DATE", days.last),
        scalar("first_day", "DATE", days.first),
        scalar("window_start", "DATE", window_start),
        scalar("window_days", "INT64", settings.aggregates_window_days),
        scalar("minimum_users", "INT64", settings.aggregates_minimum_users),
        scalar("allowed_otherwise", "BOOL", settings.allowed_otherwise),
    ]
    return [parameter for parameter in every if re.search(rf"@{parameter.name}\b", statement)]


def window_ending(day: date, window_days: int) -> date | None:
    """The first day of the window whose last day this is; None where none ends on it.

    Windows follow each other from Monday 1970-01-05, so that of seven days is a week, and one day is in one window.
    """
    return day - timedelta(days=window_days - 1) if last_window_end(day, window_days) == day else None


def last_window_end(day: date, window_days: int) -> date:
    """The last day of the latest window that has ended by the end of this day."""
    return day - timedelta(days=((day - _FIRST_MONDAY).days + 1) % window_days)
