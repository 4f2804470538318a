"""The feature tables: a folder of SQL and the model of its rows, which must both be there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from shopstream.schemas import SettingsError
from shopstream.schemas.features import FEATURE_TABLES
from shopstream.schemas.table import Table
from shopstream.schemas.warehouse import FEATURES, WarehouseTable

_CHECK_HEAD = re.compile(r"^-- (fail|warn): (.+)$", re.MULTILINE)


class CatalogError(Exception):
    """A folder of tables/ has no row model, a row model has no folder, or a file in one is not as it must be."""


@dataclass(frozen=True)
class Check:
    """One assertion about the rows of a table: a statement that returns the offending ones."""

    verdict: Literal["fail", "warn"]
    meaning: str
    """What is wrong where it returns rows."""
    statement: str
    """Reads `candidate`, the rows to be judged, and @as_of."""


@dataclass(frozen=True)
class FeatureTable:
    """A feature table: where it lies, its columns, and the texts that fill and check it."""

    place: Table
    columns: tuple[str, ...]
    query: str
    checks: tuple[Check, ...]

    @property
    def name(self) -> str:
        """The table's and the folder's name."""
        return self.place.name


def read_catalog(tables: Traversable, models: Iterable[WarehouseTable]) -> dict[str, FeatureTable]:
    """Every feature table by name, in the order of the models.

    Raises:
        CatalogError: Folders and models do not agree, or a file is not as it must be.
    """
    known = {model.table.name: model for model in models}
    folders = {entry.name: entry for entry in tables.iterdir() if entry.is_dir() and entry.name[0] not in "._"}
    if without_model := sorted(folders.keys() - known.keys()):
        raise CatalogError(f"tables/{without_model[0]} has no row model in schemas/features")
    if without_folder := sorted(known.keys() - folders.keys()):
        raise CatalogError(f"the row model of {without_folder[0]} has no folder tables/{without_folder[0]}")
    return {name: _read_table(folders[name], model) for name, model in known.items()}


def _read_table(folder: Traversable, model: WarehouseTable) -> FeatureTable:
    query = _read(folder, "query.sql")
    if not query.startswith("-- "):
        raise CatalogError(f"tables/{folder.name}/query.sql does not begin with what one row is")
    return FeatureTable(
        place=model.table,
        columns=tuple(column["name"] for column in model.columns),
        query=query,
        checks=parse_checks(_read(folder, "checks.sql"), folder.name),
    )


def _read(folder: Traversable, name: str) -> str:
    file = folder / name
    if not file.is_file():
        raise CatalogError(f"tables/{folder.name} has no {name}")
    return file.read_text(encoding="utf-8").strip()


def parse_checks(text: str, name: str) -> tuple[Check, ...]:
    """The checks of a file: each a head `-- fail: …` or `-- warn: …` and one SELECT ending in a semicolon.

    Raises:
        CatalogError: There is none, or something is not a check.
    """
    before, *parts = _CHECK_HEAD.split(text)
    if before.strip() or not parts:
        raise CatalogError(f"tables/{name}/checks.sql must be a list of checks headed `-- fail:` or `-- warn:`")
    checks = []
    for verdict, meaning, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        statement = body.strip().removesuffix(";")
        if not statement.startswith("SELECT") or ";" in statement:
            raise CatalogError(f"tables/{name}/checks.sql: `{meaning}` is not one SELECT")
        checks.append(Check("fail" if verdict == "fail" else "warn", meaning, statement))
    return tuple(checks)


@cache
def catalog() -> dict[str, FeatureTable]:
    """The feature tables of this installation, each after those its query reads."""
    return read_catalog(files(__package__) / "tables", (FEATURES[model.table.name] for model in FEATURE_TABLES))


def feature_table(name: str) -> FeatureTable:
    """A feature table by name.

    Raises:
        SettingsError: There is none of that name.
    """
    try:
        return catalog()[name]
    except KeyError:
        raise SettingsError(f"{name!r} is no feature table; there are {', '.join(catalog())}") from None
