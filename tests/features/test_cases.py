"""Cases of the feature tables' and the analysts' views' SQL: a folder each, found by path, run against the emulator.

tests/features/<table or view>/<the rule>/given/<table>.yaml holds rows, expect.yaml the rows that must come out, all of
them, each with the columns the case is about. Every case is computed as of 2026-03-31; a table by day for eight days.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shopstream.ml_features import job
from shopstream.ml_features.catalog import FeatureTable, catalog
from shopstream.ml_features.models.reorder import DEFAULT_WEIGHTS
from shopstream.ml_features.parameters import parameters
from shopstream.ml_features.warehouse import ask
from shopstream.schemas.views import EXPORTS, PEOPLES_VIEWS, View
from shopstream.schemas.warehouse import FEATURES

from .conftest import Cases, Row, read, same

HERE = Path(__file__).parent
AS_OF = date(2026, 3, 31)
CASES = sorted(path.parent for path in HERE.glob("*/*/expect.yaml"))


def named(path: Path) -> str:
    return str(path.relative_to(HERE))


@pytest.mark.parametrize("case", CASES, ids=named)
def test_case(cases: Cases, case: Path) -> None:
    cases.give(case / "given")
    table = catalog().get(case.parent.name)
    found = found_in_view(cases, case.parent.name) if table is None else computed(cases, table)
    expected = read(case / "expect.yaml")
    assert len(found) == len(expected), found
    unmatched = [row for row in expected if not any(matches(row, other) for other in found)]
    assert unmatched == [], found


def computed(cases: Cases, table: FeatureTable) -> list[Row]:
    if table.name == "reorders":
        give_default_weights(cases)
    cases.filled.add(table.name)
    job.run(cases.client, cases.settings, table, AS_OF, datetime.now(UTC))
    days = job.days_of(table, AS_OF)
    place = cases.place(FEATURES[table.name])
    statement = f"SELECT * FROM `{place}` WHERE {table.place.partition_by} BETWEEN @first_day AND @as_of"  # noqa: S608
    return ask(cases.client, cases.settings, statement, parameters(cases.settings, days, statement))


def found_in_view(cases: Cases, view: str) -> list[Row]:
    return ask(cases.client, cases.settings, f"SELECT * FROM {view}")  # noqa: S608 - our own name


def matches(expected: Row, found: Row) -> bool:
    assert expected.keys() <= found.keys(), f"no such column: {expected.keys() - found.keys()}"
    return all(same(value, found[name]) for name, value in expected.items())


def give_default_weights(cases: Cases) -> None:
    cases.filled.add("reorder_weights")
    values = ", ".join(
        f"(DATE '2026-03-01', {horizon}, '{name}', {weight}, 0, 0)"
        for horizon, weights in DEFAULT_WEIGHTS.items()
        for name, weight in weights.items()
    )
    place = f"{cases.settings.bigquery_dataset}_features.reorder_weights"
    columns = "as_of, horizon_days, feature, weight, fitted_pairs, fitted_bought"
    ask(cases.client, cases.settings, f"INSERT INTO `{place}` ({columns}) VALUES {values}")  # noqa: S608 - our own names


@pytest.mark.parametrize("table", catalog())
def test_every_feature_table_has_a_case(table: str) -> None:
    assert any(case.parent.name == table for case in CASES)


@pytest.mark.parametrize("view", PEOPLES_VIEWS, ids=lambda view: view.name)
def test_every_view_for_people_has_a_case(view: View) -> None:
    assert any(case.parent.name == view.name for case in CASES)


@pytest.mark.parametrize("view", [*PEOPLES_VIEWS, *EXPORTS], ids=lambda view: view.name)
def test_the_example_of_a_view_runs(cases: Cases, view: View) -> None:
    example = str(view.example).replace("shopstream.", f"{cases.settings.bigquery_dataset}.")
    assert example != view.example
    ask(cases.client, cases.settings, example)


def test_every_folder_of_cases_is_a_feature_table_or_a_view_for_people() -> None:
    assert {case.parent.name for case in CASES} <= set(catalog()) | {view.name for view in PEOPLES_VIEWS}


def test_every_case_has_what_is_given_and_what_is_expected() -> None:
    folders: list[Any] = [path for path in HERE.glob("*/*") if path.is_dir() and "__pycache__" not in path.parts]
    assert [named(path) for path in folders if path not in CASES or not (path / "given").is_dir()] == []
