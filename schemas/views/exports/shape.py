"""What a view in another tool's shape is made of: its columns, and what each of our events becomes in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...table import Dataset
from ...warehouse import RAW_TABLES
from ..view import View

MOMENT = "FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%E6SZ', occurred_at)"
"""When an event occurred, as RFC 3339."""
VISITOR = "COALESCE(session_id, user_id)"
"""Who did it, whether signed in or not."""
PLACED, UNDONE = "status = 'placed'", "status IN ('returned', 'cancelled')"
"""Which orders."""


@dataclass(frozen=True)
class Part:
    """What some events of one type become."""

    event_type: str
    values: Mapping[str, str]
    """By column, `a.b` for a field of a RECORD, an expression over the event's columns; others are null."""
    condition: str = "TRUE"
    each: str | None = None
    """A repeated column of which every entry becomes a row, as `entry`."""


@dataclass(frozen=True)
class Shape:
    """What another tool expects."""

    name: str
    row: str
    reader: str
    columns: Mapping[str, str]
    """By column, `a.b` for a field of a RECORD, its type."""
    parts: Sequence[Part] = field(default_factory=tuple)

    def view(self) -> View:
        """The view of this shape."""
        statement = "\nUNION ALL\n".join(self._select(part) for part in self.parts)
        example = f"SELECT * FROM shopstream.{self.name} WHERE received_at >= TIMESTAMP(CURRENT_DATE())"  # noqa: S608
        return View(self.name, Dataset.VIEWS, f"One row is: {self.row}", statement, reader=self.reader, example=example)

    def _select(self, part: Part) -> str:
        if unknown := part.values.keys() - self.columns.keys():
            raise ValueError(f"{self.name} has no column {min(unknown)}")
        leaves = {
            tuple(path.split(".")): part.values.get(path, f"CAST(NULL AS {kind})")
            for path, kind in self.columns.items()
        }
        columns = ",\n  ".join(_expressions(leaves))
        entries = f"\nCROSS JOIN UNNEST({part.each}) AS entry" if part.each else ""
        return f"""SELECT
  {columns},
  received_at
FROM `{{dataset}}.{RAW_TABLES[part.event_type].table.name}`{entries}
LEFT JOIN (SELECT user_id AS decided_by, granted FROM `{{dataset}}.consent_states` WHERE purpose = 'analytics')
  ON decided_by = user_id
WHERE traffic IS NULL AND (user_id IS NULL OR IFNULL(granted, {{allowed_otherwise}})) AND {part.condition}"""  # noqa: S608


def _expressions(leaves: Mapping[tuple[str, ...], str]) -> Iterator[str]:
    """Leaves of a tree as expressions with names, fields of a RECORD gathered in a STRUCT."""
    names = dict.fromkeys(path[0] for path in leaves)
    for name in names:
        inner = {path[1:]: value for path, value in leaves.items() if path[0] == name}
        value = inner[()] if () in inner else f"STRUCT({', '.join(_expressions(inner))})"
        yield f"{value} AS {name}"


def interaction(values: Mapping[str, str], names: Mapping[str, str], column: str) -> list[Part]:
    """One part for each action that has a name in the shape."""
    return [
        Part("interaction", {**values, column: f"'{name}'"}, f"action = '{action}'") for action, name in names.items()
    ]
