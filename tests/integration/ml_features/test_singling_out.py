"""Somebody who has every published figure of every day, and knows what everybody else did, looks for one user."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

from shopstream.ml_features.catalog import feature_table
from shopstream.ml_features.job import run
from shopstream.ml_features.parameters import window_ending
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import load_rows
from shopstream.schemas.warehouse import FEATURES, dataset_id, raw_table_id

if TYPE_CHECKING:
    from ..conftest import Warehouse

FIRST = date(2026, 1, 5)
DAYS = 70
WINDOW_DAYS = 28
MINIMUM_USERS = 20
VICTIM = "victim"
ALONE = "how to leave my husband"
FIGURES = {
    "queries": (
        ("query", "intent"),
        ("users", "clicked", "carted", "ordered", "without_results", "abandoned", "searches"),
    ),
    "product_queries": (("query", "product_id"), ("users", "clicked", "carted", "ordered")),
}
"""What a row of each table is about, and its counts."""
Published = Mapping[tuple[str | None, str | None], Mapping[str, int]]


def outcome(number: int, day: date, user: str, query: str, intent: str) -> dict[str, Any]:
    flags = dict.fromkeys(("without_results", "clicked", "carted", "ordered", "abandoned"), False)
    return {
        "day": day.isoformat(),
        "query_id": f"q-{number}",
        "occurred_at": f"{day}T08:00:00+00:00",
        "user_id": user,
        "normalised_query": query,
        "intent": intent,
        "pages": 1,
        "clicks": 0,
        **(flags | {"clicked": number % 3 == 0}),
    }


def shown(number: int, day: date, query: str) -> dict[str, Any]:
    """The page of results of a search: its own product, and one that everything is shown with."""
    return {
        "event_id": f"01a1f640-f3c5-79e9-a5b7-{number:012x}",
        "event_type": "search",
        "schema_version": 1,
        "source": "shop",
        "imported": False,
        **dict.fromkeys(("occurred_at", "received_at", "ingested_at"), f"{day}T08:00:00+00:00"),
        "query_id": f"q-{number}",
        "query": query,
        "page": 1,
        "results": [{"product_id": f"p {query}", "position": 1}, {"product_id": "p-everywhere", "position": 2}],
    }


def crowd(random: Random) -> list[tuple[date, str, str, str]]:
    """What everybody else searched for: popular queries, and a long tail nobody shares."""
    searches = []
    for day in (FIRST + timedelta(days=n) for n in range(DAYS)):
        for user in range(60):
            if random.random() < 0.5:
                searches.append((day, f"u-{user}", random.choice(["milk", "bread", "apples"]), "product"))
            if random.random() < 0.2:
                searches.append((day, f"u-{user}", f"tail {random.randrange(400)}", "product"))
        if random.random() < 0.3:
            # Of this intent there are few users in any window, or just enough.
            searches.append((day, f"u-{random.randrange(25)}", f"why {random.randrange(400)}", "question"))
    return searches


def published(
    warehouse: "Warehouse", settings: FeatureSettings, searches: list[tuple[date, str, str, str]]
) -> dict[tuple[str, date], Published]:
    """Every figure there is, by table and day; what the job has published it never publishes again."""
    rows = [outcome(number, *search) for number, search in enumerate(searches)]
    place = f"{dataset_id(settings, FEATURES['search_outcomes'].table.dataset)}.search_outcomes"
    load_rows(warehouse.client, warehouse.client.get_table(place), rows)
    pages = [shown(number, day, query) for number, (day, _, query, _) in enumerate(searches)]
    load_rows(warehouse.client, warehouse.client.get_table(raw_table_id(settings, "search")), pages)
    figures: dict[tuple[str, date], Published] = {}
    ends = [FIRST + timedelta(days=n) for n in range(DAYS) if window_ending(FIRST + timedelta(days=n), WINDOW_DAYS)]
    # Every night gives the same as these: the last of a window, asked for twice, and the nights around it.
    for name, (about, counts) in FIGURES.items():
        for day in (end + timedelta(days=n) for end in ends for n in (-1, 0, 0, 1)):
            if run(warehouse.client, settings, feature_table(name), day, datetime.now(UTC)).rows:
                told = warehouse.rows(f"SELECT * FROM `{{views}}.{name}` WHERE as_of = DATE '{day}'")  # noqa: S608
                figures[name, day] = {
                    named(row, about): {count: int(str(row[count])) for count in counts} for row in told
                }
    return figures


def named(row: Mapping[str, object], about: tuple[str, str]) -> tuple[str | None, str | None]:
    first, second = (str(row[column]) if row[column] else None for column in about)
    return first, second


def test_nobody_is_found_by_comparing_days(warehouse: "Warehouse", settings: FeatureSettings) -> None:
    others = crowd(Random(7))
    victim_day = FIRST + timedelta(days=33)
    victim = [(victim_day, VICTIM, ALONE, "question"), (victim_day, VICTIM, "milk", "product")]
    with_victim = published(warehouse, settings, others + victim)
    for name in FIGURES:
        warehouse.rows(f"DELETE FROM `{{views}}_aggregates.{name}` WHERE TRUE")  # noqa: S608 - our own names
    without = published(warehouse, settings, others)

    # There is something to attack.
    assert len(with_victim) >= 4
    assert all(("milk", "product") in figures for (name, _), figures in with_victim.items() if name == "queries")
    of_products = [figures for (name, _), figures in with_victim.items() if name == "product_queries"]
    assert all({("milk", "p milk"), ("milk", "p-everywhere")} <= figures.keys() for figures in of_products)

    # What only one person typed is nowhere, and no figure is of fewer than enough users, or exact.
    for figures in with_victim.values():
        assert ALONE not in {query for query, _ in figures}
        assert not any(query and query.startswith(("tail", "why")) for query, _ in figures)
        for counts in figures.values():
            assert counts["users"] >= MINIMUM_USERS
            assert all(count % settings.aggregates_rounding == 0 for count in counts.values())

    # Differencing: no day is in two published windows, so that no day is the difference of two.
    for name in FIGURES:
        days = [day for of, day in with_victim if of == name]
        assert all((later - earlier).days == WINDOW_DAYS for earlier, later in pairwise(days))

    # And whoever knows what all the others did sees no difference between the worlds with and without the victim.
    assert with_victim == without


def test_what_comes_late_changes_nothing_that_is_published(warehouse: "Warehouse", settings: FeatureSettings) -> None:
    others = crowd(Random(8))
    before = published(warehouse, settings, others)
    late = [(day, VICTIM, ALONE, "question") for day in (FIRST + timedelta(days=n) for n in range(DAYS))]
    assert published(warehouse, settings, others + late) == before
