"""Where in the warehouse rows about a user are, and the conditions that find them: derived from the contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from google.cloud import bigquery

from shopstream.schemas import ALL_TABLES
from shopstream.schemas.erasure import in_json
from shopstream.schemas.warehouse import FAILED_TABLE, WarehouseTable, dataset_id

from .options import PipelineSettings
from .warehouse import ask, delete, timestamp

STREAMED_ROWS_STAY = timedelta(minutes=90)
"""Rows of streaming inserts cannot be deleted for 30 minutes, BigQuery says; where it is busy it takes longer."""
_STREAMED = {"_raw": "ingested_at", "_failed": "failed_at"}
"""The datasets that rows are streamed into, and the column that says when."""


@dataclass(frozen=True)
class Person:
    """A user, with the sessions whose unsigned events are the user's too."""

    user_id: str
    session_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class PersonalTable:
    """A table with rows about users."""

    place: str
    """project.dataset.table."""
    table: WarehouseTable
    streamed_at: str | None
    """The column that says when a row was streamed in; None where rows can be deleted at once."""

    @property
    def columns(self) -> set[str]:
        """The names of its columns."""
        return {column["name"] for column in self.table.columns}

    def condition(self) -> str:
        """What is true of rows about the persons in the parameters."""
        own = f"{self.table.table.erase_by} IN UNNEST(@user_ids)"
        if self.table is FAILED_TABLE:
            # What could not be read may still name the user; hexadecimal, for the bytes may be no text.
            holds = "STRPOS(TO_HEX(FROM_BASE64(payload)), needle) > 0"
            return f"({own} OR EXISTS (SELECT 1 FROM UNNEST(@needles) AS needle WHERE {holds}))"  # noqa: S608 - our words
        if "session_id" in self.columns:
            return f"({own} OR (user_id IS NULL AND session_id IN UNNEST(@session_ids)))"
        return own


def personal_tables(settings: PipelineSettings) -> list[PersonalTable]:
    """Every table that is erased by user, as its contract says."""
    found = []
    for table in ALL_TABLES:
        dataset = table.table.dataset
        if table.table.erase_by is not None:
            streamed_at = _STREAMED.get(dataset)
            if dataset == "_raw" and settings.bigquery_write_method == "storage_write":
                streamed_at = None  # What that API has written can be deleted at once.
            found.append(PersonalTable(f"{dataset_id(settings, dataset)}.{table.table.name}", table, streamed_at))
    return found


def parameters(persons: Sequence[Person], statement: str, settled: datetime | None = None) -> list[Any]:
    """The query parameters of a condition about these persons, of those the statement names."""
    needles = {form for person in persons for form in in_json(person.user_id)}
    arrays = {
        "user_ids": [person.user_id for person in persons],
        "session_ids": sorted({session for person in persons for session in person.session_ids}),
        "needles": sorted(needle.hex() for needle in needles),
    }
    found: list[Any] = [
        bigquery.ArrayQueryParameter(name, "STRING", values)
        for name, values in arrays.items()
        if f"@{name}" in statement
    ]
    if settled is not None and "@settled" in statement:
        found.append(timestamp("settled", settled))
    return found


def find_person(client: bigquery.Client, tables: Sequence[PersonalTable], user_id: str) -> Person:
    """The user with every session that a row names beside the user.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    statement = "\nUNION DISTINCT\n".join(
        f"SELECT session_id FROM `{each.place}` WHERE user_id IN UNNEST(@user_ids) AND session_id IS NOT NULL"  # noqa: S608
        for each in tables
        if {"session_id", "user_id"} <= each.columns
    )
    rows = ask(client, statement, "the sessions", parameters([Person(user_id)], statement))
    return Person(user_id, tuple(sorted(row["session_id"] for row in rows)))


def recent_users(client: bigquery.Client, tables: Sequence[PersonalTable], days: int) -> list[str]:
    """The known users of whom any table has a row in its partitions of the last days.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    statement = "\nUNION DISTINCT\n".join(
        f"SELECT user_id FROM `{each.place}` WHERE user_id IS NOT NULL "  # noqa: S608 - names of our own
        f"AND {each.table.table.partition_by} >= {_days_ago(each, days)}"
        for each in tables
    )
    return sorted(row["user_id"] for row in ask(client, statement, "the users of these days"))


def _days_ago(each: PersonalTable, days: int) -> str:
    kinds = {column["name"]: column["type"] for column in each.table.columns}
    if kinds[each.table.table.partition_by] == "DATE":
        return f"DATE_SUB(CURRENT_DATE(), INTERVAL {days} DAY)"
    return f"TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL {days} DAY)"


def count_rows(client: bigquery.Client, tables: Sequence[PersonalTable], person: Person) -> dict[str, int]:
    """How many rows about the person each table holds, by place.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    statement = "\nUNION ALL\n".join(
        f"SELECT '{each.place}' AS place, COUNT(*) AS row_count FROM `{each.place}` WHERE {each.condition()}"  # noqa: S608
        for each in tables
    )
    rows = ask(client, statement, "the rows of a user", parameters([person], statement))
    return {row["place"]: row["row_count"] for row in rows}


def delete_rows(client: bigquery.Client, each: PersonalTable, persons: Sequence[Person], now: datetime) -> None:
    """Delete the rows about these persons, but for those that were streamed in too lately; one statement for all.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    statement = f"DELETE FROM `{each.place}` WHERE {deletable(each)}"  # noqa: S608 - names of our own
    # A row may have come long after its own time says.
    delete(client, statement, each.place, parameters(persons, statement, now - STREAMED_ROWS_STAY))


def deletable(each: PersonalTable) -> str:
    """What is true of rows about the persons in the parameters that can be deleted now."""
    return each.condition() + (f" AND {each.streamed_at} < @settled" if each.streamed_at else "")
