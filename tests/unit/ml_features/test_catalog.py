"""A feature table is a folder and a row model, and neither without the other."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopstream.ml_features.catalog import (
    CatalogError,
    FeatureTable,
    catalog,
    feature_table,
    parse_checks,
    read_catalog,
)
from shopstream.ml_features.models.reorder import INPUTS
from shopstream.schemas import SettingsError
from shopstream.schemas.features import FEATURE_TABLES
from shopstream.schemas.live.reorders import INTERCEPT
from shopstream.schemas.warehouse import FEATURES, WarehouseTable

CHECKS = "-- fail: a row is bad\nSELECT * FROM candidate WHERE FALSE;\n\n-- warn: odd\nSELECT 1 FROM candidate\n"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    for name in FEATURES:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "query.sql").write_text("-- One row per user.\nSELECT 1\n")
        (folder / "checks.sql").write_text(CHECKS)
    return tmp_path


def models() -> list[WarehouseTable]:
    return list(FEATURES.values())


def test_tables_come_in_the_order_their_queries_need() -> None:
    assert list(catalog()) == [model.table.name for model in FEATURE_TABLES]


def test_every_table_is_read_with_its_columns_and_checks(tables: Path) -> None:
    found = read_catalog(tables, models())
    assert found["profiles"].columns[:2] == ("as_of", "user_id")
    assert [(check.verdict, check.meaning) for check in found["profiles"].checks] == [
        ("fail", "a row is bad"),
        ("warn", "odd"),
    ]
    assert found["profiles"].checks[0].statement == "SELECT * FROM candidate WHERE FALSE"


def test_a_folder_without_a_row_model_is_refused(tables: Path) -> None:
    (tables / "hobbies").mkdir()
    with pytest.raises(CatalogError, match="tables/hobbies has no row model"):
        read_catalog(tables, models())


def test_a_row_model_without_a_folder_is_refused(tables: Path) -> None:
    extra = replace(FEATURES["profiles"], table=replace(FEATURES["profiles"].table, name="hobbies"))
    with pytest.raises(CatalogError, match="the row model of hobbies has no folder"):
        read_catalog(tables, [*models(), extra])


@pytest.mark.parametrize("file", ["query.sql", "checks.sql"])
def test_a_folder_without_a_file_is_refused(tables: Path, file: str) -> None:
    (tables / "profiles" / file).unlink()
    with pytest.raises(CatalogError, match=f"tables/profiles has no {file}"):
        read_catalog(tables, models())


def test_a_query_that_does_not_say_what_a_row_is_is_refused(tables: Path) -> None:
    (tables / "profiles" / "query.sql").write_text("SELECT 1\n")
    with pytest.raises(CatalogError, match="does not begin with what one row is"):
        read_catalog(tables, models())


@pytest.mark.parametrize(
    "text",
    ["", "SELECT 1", "-- ok: fine\nSELECT 1;", "-- fail: x\nDELETE FROM candidate;", "-- fail: x\nSELECT 1; SELECT 2;"],
)
def test_what_is_not_a_list_of_checks_is_refused(text: str) -> None:
    with pytest.raises(CatalogError, match=r"profiles/checks\.sql"):
        parse_checks(text, "profiles")


def test_a_name_that_is_no_table_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        SettingsError, match=r"'profile' is no feature table; there are consent_record, purchases, .*profiles"
    ):
        feature_table("profile")


@pytest.mark.parametrize("table", catalog().values(), ids=lambda table: table.name)
def test_a_query_names_its_look_back_and_every_table_can_fail(table: FeatureTable) -> None:
    assert "Look-back:" in table.query
    assert any(check.verdict == "fail" for check in table.checks)


def test_the_sql_knows_every_input_of_the_model() -> None:
    """The names stand in two texts beside the row model; a forgotten one would silently weigh nothing."""
    reorders, pairs = catalog()["reorders"].query, catalog()["reorder_weights"].query
    for name in INPUTS:
        assert f"later.{name} * inputs.{name}" in reorders
        assert f"soon.{name} * inputs.{name}" in reorders
        assert f"feature = '{name}'" in reorders
        assert f"served.inputs.{name}," in pairs
    assert f"later.{INTERCEPT}" in reorders
    assert f"soon.{INTERCEPT}" in reorders
    assert f"COUNT(*) != {len(INPUTS) + 1}" in catalog()["reorder_weights"].checks[2].statement


@pytest.mark.parametrize("table", catalog().values(), ids=lambda table: table.name)
def test_a_parameter_stands_in_no_comment(table: FeatureTable) -> None:
    """The emulator counts parameters in comments too."""
    comments = [line.partition("--")[2] for line in table.query.splitlines()]
    assert [comment for comment in comments if "@" in comment] == []
