"""Cases of the feature tables' SQL: a folder each, found by path, run over the wire against the BigQuery emulator.

tests/features/<table>/<the rule>/given/<table or view>.yaml holds rows, expect.yaml the rows that must come out, all of
them, each with the columns the case is about. Every case is computed as of 2026-03-31.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shopstream.ml_features import job
from shopstream.ml_features.catalog import catalog
from shopstream.ml_features.models.reorder import DEFAULT_WEIGHTS
from shopstream.ml_features.warehouse import as_of_parameter, ask

from .conftest import Cases, Row, read, same

HERE = Path(__file__).parent
AS_OF = date(2026, 3, 31)
CASES = sorted(path.parent for path in HERE.glob("*/*/expect.yaml"))


def named(path: Path) -> str:
    return str(path.relative_to(HERE))


@pytest.mark.parametrize("case", CASES, ids=named)
def test_case(cases: Cases, case: Path) -> None:
    table = catalog()[case.parent.name]
    cases.give(case / "given")
    if table.name == "reorders":
        give_default_weights(cases)
    job.run(cases.client, cases.settings, table, AS_OF, datetime.now(UTC))
    found = ask(
        cases.client,
        cases.settings,
        f"SELECT * FROM {table.name} WHERE {table.place.partition_by} = @as_of",  # noqa: S608 - our own names
        [as_of_parameter(AS_OF)],
    )
    expected = read(case / "expect.yaml")
    assert len(found) == len(expected), found
    unmatched = [row for row in expected if not any(matches(row, other) for other in found)]
    assert unmatched == [], found


def matches(expected: Row, found: Row) -> bool:
    assert expected.keys() <= found.keys(), f"no such column: {expected.keys() - found.keys()}"
    return all(same(value, found[name]) for name, value in expected.items())


def give_default_weights(cases: Cases) -> None:
    values = ", ".join(f"(DATE '2026-03-01', '{name}', {weight}, 0, 0)" for name, weight in DEFAULT_WEIGHTS.items())
    place = f"{cases.settings.bigquery_dataset}_features.reorder_weights"
    columns = "as_of, feature, weight, fitted_pairs, fitted_bought"
    ask(cases.client, cases.settings, f"INSERT INTO `{place}` ({columns}) VALUES {values}")  # noqa: S608 - our own names


@pytest.mark.parametrize("table", catalog())
def test_every_feature_table_has_a_case(table: str) -> None:
    assert any(case.parent.name == table for case in CASES)


def test_every_folder_of_cases_is_a_feature_table() -> None:
    assert {case.parent.name for case in CASES} <= set(catalog())


def test_every_case_has_what_is_given_and_what_is_expected() -> None:
    folders: list[Any] = [path for path in HERE.glob("*/*") if path.is_dir() and "__pycache__" not in path.parts]
    assert [named(path) for path in folders if path not in CASES or not (path / "given").is_dir()] == []
