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
from shopstream.schemas.warehouse import FEATURES, dataset_id

if TYPE_CHECKING:
    from ..conftest import Warehouse

FIRST = date(2026, 1, 5)
DAYS = 70
WINDOW_DAYS = 28
MINIMUM_USERS = 20
VICTIM = "victim"
ALONE = "how to leave my husband"
COUNTS = ("users", "clicked", "carted", "ordered", "without_results", "abandoned", "searches")
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
) -> dict[date, Published]:
    """Every figure there is; what the job has published it never publishes again."""
    rows = [outcome(number, *search) for number, search in enumerate(searches)]
    place = f"{dataset_id(settings, FEATURES['search_outcomes'].table.dataset)}.search_outcomes"
    load_rows(warehouse.client, warehouse.client.get_table(place), rows)
    table = feature_table("queries")
    figures: dict[date, Published] = {}
    ends = [FIRST + timedelta(days=n) for n in range(DAYS) if window_ending(FIRST + timedelta(days=n), WINDOW_DAYS)]
    # Every night gives the same as these: the last of a window, asked for twice, and the nights around it.
    for day in (end + timedelta(days=n) for end in ends for n in (-1, 0, 0, 1)):
        if run(warehouse.client, settings, table, day, datetime.now(UTC)).rows:
            told = warehouse.rows(f"SELECT * FROM `{{views}}.queries` WHERE as_of = DATE '{day}'")  # noqa: S608
            figures[day] = {
                (str(row["query"]) if row["query"] else None, str(row["intent"]) if row["intent"] else None): {
                    name: int(str(row[name])) for name in COUNTS
                }
                for row in told
            }
    return figures


def test_nobody_is_found_by_comparing_days(warehouse: "Warehouse", settings: FeatureSettings) -> None:
    others = crowd(Random(7))
    victim_day = FIRST + timedelta(days=33)
    victim = [(victim_day, VICTIM, ALONE, "question"), (victim_day, VICTIM, "milk", "product")]
    with_victim = published(warehouse, settings, others + victim)
    warehouse.rows("DELETE FROM `{views}_aggregates.queries` WHERE TRUE")
    without = published(warehouse, settings, others)

    # There is something to attack.
    assert len(with_victim) >= 2
    assert all(("milk", "product") in figures for figures in with_victim.values())

    # What only one person typed is nowhere, and no figure is of fewer than enough users, or exact.
    for figures in with_victim.values():
        assert ALONE not in {query for query, _ in figures}
        assert not any(query and query.startswith(("tail", "why")) for query, _ in figures)
        for counts in figures.values():
            assert counts["users"] >= MINIMUM_USERS
            assert all(count % settings.aggregates_rounding == 0 for count in counts.values())

    # Differencing: no day is in two published windows, so that no day is the difference of two.
    assert all((later - earlier).days == WINDOW_DAYS for earlier, later in pairwise(with_victim))

    # And whoever knows what all the others did sees no difference between the worlds with and without the victim.
    assert with_victim == without


def test_what_comes_late_changes_nothing_that_is_published(warehouse: "Warehouse", settings: FeatureSettings) -> None:
    others = crowd(Random(8))
    before = published(warehouse, settings, others)
    late = [(day, VICTIM, ALONE, "question") for day in (FIRST + timedelta(days=n) for n in range(DAYS))]
    assert published(warehouse, settings, others + late) == before
