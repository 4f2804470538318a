"""What must change in a table of the warehouse for it to be the table of the contract, and what may: a pure comparison.

Only what loses nothing and breaks no reader is made: a column added, a REQUIRED one relaxed, an INTEGER widened, rows
kept longer, words and clustering. The rest is refused with the reason and the way round.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shopstream.schemas.bigquery_schema import Column
from shopstream.schemas.table import Table
from shopstream.schemas.warehouse import CONTRACT_LABEL, WarehouseTable

MILLISECONDS_A_DAY = 86_400_000

_WIDER: Mapping[str, tuple[str, ...]] = {"INTEGER": ("NUMERIC", "FLOAT")}
"""What a type may become without losing a digit of what is stored."""
_SAME_TYPE = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
SQL_TYPES = {"NUMERIC": "NUMERIC", "FLOAT": "FLOAT64"}
"""The types a column may be widened to, as DDL names them."""


class Refused(Exception):
    """Some change would lose data or break readers; nothing at all was changed."""


@dataclass(frozen=True)
class Difference:
    """One way in which a table of the warehouse is not the table of the contract."""

    what: str
    """As a clause, such as `column traffic is added`."""
    refused: str | None = None
    """Why it is not made, and the way round; None where it is."""


@dataclass(frozen=True)
class Comparison:
    """A table of the warehouse beside the table of the contract."""

    differences: tuple[Difference, ...]
    columns: tuple[Column, ...]
    """Its columns once the differences that may be made are: in the order they have, new ones last."""
    widened: Mapping[str, str]
    """Columns that change their type, with the new one."""

    @property
    def refusals(self) -> list[Difference]:
        """The differences that are not made."""
        return [each for each in self.differences if each.refused is not None]


def compare(found: Mapping[str, Any], wanted: WarehouseTable) -> Comparison:
    """Compare a table, as BigQuery's REST API describes it, with the contract."""
    found_columns = found.get("schema", {}).get("fields", [])
    widened: dict[str, str] = {}
    differences = [
        *_columns(found_columns, wanted.columns, "", widened),
        *_partitioning(found.get("timePartitioning") or {}, wanted.table),
        *_words(found, wanted),
    ]
    return Comparison(tuple(differences), tuple(_merged(found_columns, wanted.columns)), widened)


def _columns(
    found: Sequence[Column], wanted: Sequence[Column], prefix: str, widened: dict[str, str]
) -> Iterator[Difference]:
    there = {column["name"]: column for column in found}
    for column in wanted:
        name = f"{prefix}{column['name']}"
        old = there.pop(column["name"], None)
        if old is not None:
            yield from _column(name, old, column, widened)
        elif column["mode"] == "REQUIRED" and not prefix:
            yield Difference(
                f"column {name} is missing",
                "a REQUIRED column cannot be added to rows that lack it: give the field a default in schemas/",
            )
        else:
            yield Difference(f"column {name} is added")
    for name in there:
        yield Difference(
            f"column {prefix}{name} is not in the contract",
            "deleting a column deletes what it holds and breaks whoever reads it: keep the field in schemas/ with "
            f"None as its default, or delete it yourself with ALTER TABLE … DROP COLUMN {prefix}{name}",
        )


def _column(name: str, old: Column, new: Column, widened: dict[str, str]) -> Iterator[Difference]:
    was, becomes = _type(old), _type(new)
    if was != becomes:
        if becomes in _WIDER.get(was, ()) and "." not in name and "REPEATED" not in (_mode(old), _mode(new)):
            widened[name] = becomes
            yield Difference(f"column {name} is widened from {was} to {becomes}")
        else:
            yield Difference(
                f"column {name} is {was}, in the contract {becomes}",
                f"{was} cannot become {becomes} in place without loss: give the new values a field of another name",
            )
        return
    yield from _modes(name, _mode(old), _mode(new))
    if old.get("description", "") != new["description"]:
        yield Difference(f"column {name} gets its description")
    yield from _columns(old.get("fields", []), new.get("fields", []), f"{name}.", widened)


def _modes(name: str, was: str, becomes: str) -> Iterator[Difference]:
    if was == becomes:
        return
    if (was, becomes) == ("REQUIRED", "NULLABLE"):
        yield Difference(f"column {name} is relaxed to NULLABLE")
    elif (was, becomes) == ("NULLABLE", "REQUIRED"):
        yield Difference(
            f"column {name} is NULLABLE, in the contract REQUIRED",
            "rows without a value may be there: give the field a default in schemas/",
        )
    else:
        yield Difference(
            f"column {name} is {was}, in the contract {becomes}",
            "one value cannot become many in place, nor many one: give the new values a field of another name",
        )


def _partitioning(found: Mapping[str, Any], wanted: Table) -> Iterator[Difference]:
    if found.get("field") != wanted.partition_by:
        yield Difference(
            f"it is partitioned by {found.get('field') or 'nothing'}, in the contract by {wanted.partition_by}",
            "BigQuery cannot partition a table anew: copy it with CREATE TABLE … PARTITION BY … AS SELECT, delete the "
            "old one, and apply again",
        )
        return
    expiry = int(found["expirationMs"]) // MILLISECONDS_A_DAY if found.get("expirationMs") else None
    if expiry == wanted.expiry_days:
        return
    what = f"rows are kept {_days(wanted.expiry_days)} instead of {_days(expiry)}"
    if expiry is not None and (wanted.expiry_days is None or wanted.expiry_days > expiry):
        yield Difference(what)
    else:
        yield Difference(
            what,
            "that deletes what is older, at once and for good: do it yourself with ALTER TABLE … SET OPTIONS "
            f"(partition_expiration_days = {wanted.expiry_days})",
        )


def _words(found: Mapping[str, Any], wanted: WarehouseTable) -> Iterator[Difference]:
    if (found.get("description") or "") != wanted.description:
        yield Difference("it gets its description")
    if tuple((found.get("clustering") or {}).get("fields", ())) != wanted.table.cluster_by:
        yield Difference(f"it is clustered by {', '.join(wanted.table.cluster_by) or 'nothing'}")
    if (found.get("labels") or {}).get(CONTRACT_LABEL) != wanted.contract:
        yield Difference(f"it gets the label {CONTRACT_LABEL}:{wanted.contract}")


def _merged(found: Sequence[Column], wanted: Sequence[Column]) -> Iterator[Column]:
    """The columns in the order they are there, as the contract has them; then the new ones."""
    new = {column["name"]: column for column in wanted}
    for old in found:
        column = new.pop(old["name"], old)
        if column.get("fields"):
            # A new field in a RECORD is null in the rows that are there.
            column = column | {"fields": list(_merged(old.get("fields", []), column["fields"]))}
        yield column
    yield from new.values()


def _type(column: Column) -> str:
    kind = str(column["type"])
    return _SAME_TYPE.get(kind, kind)


def _mode(column: Column) -> str:
    return str(column.get("mode") or "NULLABLE")


def _days(days: int | None) -> str:
    return "without limit" if days is None else f"{days} days"
