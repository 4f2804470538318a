"""One feature table for one date: query, check, replace exactly that partition."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from google.cloud import bigquery
from pydantic import BaseModel

from shopstream.schemas import CloudSettings
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

from .catalog import FeatureTable
from .models import reorder
from .warehouse import REQUEST_SECONDS, Row, as_of_parameter, ask, load_rows, retrying, translated

CANDIDATE_HOURS = 1
"""A candidate left behind by a killed job deletes itself after this long: it is about people."""

Fit = Callable[[Sequence[Mapping[str, Any]], date], Sequence[BaseModel]]

FITTED: Mapping[str, Fit] = {"reorder_weights": reorder.fit}
"""Tables whose query gives what a model is fitted on instead of the rows themselves."""


class CheckFailed(Exception):
    """Rows broke a check headed `-- fail:`; the partition is as it was before."""


@dataclass(frozen=True)
class Finding:
    """A check that returned rows."""

    verdict: str
    meaning: str
    rows: int

    def __str__(self) -> str:
        return f"{self.meaning} ({self.rows:,} row{'' if self.rows == 1 else 's'})"


@dataclass(frozen=True)
class RunResult:
    """What a run made of one table for one date."""

    table: str
    as_of: date
    rows: int
    """Rows of the partition as it is now."""
    seconds: float
    warnings: tuple[Finding, ...]


def run(client: bigquery.Client, settings: CloudSettings, table: FeatureTable, as_of: date, now: datetime) -> RunResult:
    """Compute the table's rows for as_of, check them, and put them in place of what its partition held.

    Running twice gives the same. `now` only says when a candidate left behind deletes itself.

    Raises:
        CheckFailed: A check headed `-- fail:` returned rows; nothing was replaced.
        Unavailable: BigQuery does not answer; running again is safe.
        SettingsError: A table is missing.
    """
    started = time.perf_counter()
    with _candidate(client, settings, table, as_of, now) as candidate:
        _fill(client, settings, table, as_of, candidate)
        found = _judge(client, settings, table, as_of, f"SELECT * FROM `{candidate}`")  # noqa: S608 - our own name
        if broken := [finding for finding in found if finding.verdict == "fail"]:
            raise CheckFailed(
                f"{table.name} for {as_of} was not replaced: " + "; ".join(str(finding) for finding in broken)
            )
        _replace(client, settings, table, as_of, candidate)
    return RunResult(
        table.name,
        as_of,
        _count(client, settings, table, as_of),
        round(time.perf_counter() - started, 3),
        tuple(found),
    )


def check(client: bigquery.Client, settings: CloudSettings, table: FeatureTable, as_of: date) -> list[Finding]:
    """The checks that the stored partition breaks."""
    stored = f"SELECT * FROM `{_place(settings, table)}` WHERE {table.place.partition_by} = @as_of"  # noqa: S608 - our names
    return _judge(client, settings, table, as_of, stored)


def _place(settings: CloudSettings, table: FeatureTable) -> str:
    return f"{dataset_id(settings, Dataset.FEATURES)}.{table.name}"


@contextmanager
def _candidate(
    client: bigquery.Client, settings: CloudSettings, table: FeatureTable, as_of: date, now: datetime
) -> Iterator[bigquery.Table]:
    """An empty table with the columns of the feature table, gone afterwards."""

    def make() -> bigquery.Table:
        with translated():
            schema = client.get_table(_place(settings, table), timeout=REQUEST_SECONDS, retry=None).schema
            made = bigquery.Table(f"{_place(settings, table)}_candidate_{as_of:%Y%m%d}", schema=schema)
            made.expires = now + timedelta(hours=CANDIDATE_HOURS)
            client.delete_table(made, not_found_ok=True, timeout=REQUEST_SECONDS, retry=None)
            return client.create_table(made, timeout=REQUEST_SECONDS, retry=None)

    made = retrying()(make)
    try:
        yield made
    finally:
        with translated():
            client.delete_table(made, not_found_ok=True, timeout=REQUEST_SECONDS, retry=None)


def _fill(
    client: bigquery.Client, settings: CloudSettings, table: FeatureTable, as_of: date, candidate: bigquery.Table
) -> None:
    if fit := FITTED.get(table.name):
        pairs = ask(client, settings, table.query, [as_of_parameter(as_of)])
        load_rows(client, candidate, [row.model_dump(mode="json") for row in fit(pairs, as_of)])
        return
    names = ", ".join(f"`{name}`" for name in table.columns)
    # Columns by name: the query may give them in any order. It is a whole statement, so that it also runs alone.
    statement = f"INSERT INTO `{candidate}` ({names})\nSELECT {names} FROM (\n{table.query}\n)"
    ask(client, settings, statement, [as_of_parameter(as_of)])


def _judge(
    client: bigquery.Client, settings: CloudSettings, table: FeatureTable, as_of: date, candidate: str
) -> list[Finding]:
    found = []
    for each in table.checks:
        statement = (
            f"WITH candidate AS ({candidate}), offending AS (\n{each.statement}\n)\n"
            "SELECT COUNT(*) AS row_count FROM offending"
        )
        rows: list[Row] = ask(client, settings, statement, [as_of_parameter(as_of)])
        if rows[0]["row_count"]:
            found.append(Finding(each.verdict, each.meaning, rows[0]["row_count"]))
    return found


def _replace(
    client: bigquery.Client, settings: CloudSettings, table: FeatureTable, as_of: date, candidate: bigquery.Table
) -> None:
    """Delete and insert in one transaction: readers see the old rows or the new ones.

    Both BigQuery and the emulator take it. The alternatives fail on one of them: the emulator ignores a query's
    destination, so `table$YYYYMMDD` would write nothing (and on BigQuery a query's nullable columns do not fit
    REQUIRED ones); MERGE ON FALSE takes the emulator the product of old and new rows. The date stands in the text
    because the emulator hands parameters to the first statement of a script only.
    """
    names = ", ".join(f"`{name}`" for name in table.columns)
    place = _place(settings, table)
    statement = (
        "BEGIN TRANSACTION;\n"  # noqa: S608 - our own names
        f"DELETE FROM `{place}` WHERE {table.place.partition_by} = DATE '{as_of.isoformat()}';\n"
        f"INSERT INTO `{place}` ({names}) SELECT {names} FROM `{candidate}`;\n"
        "COMMIT TRANSACTION;"
    )
    ask(client, settings, statement)


def _count(client: bigquery.Client, settings: CloudSettings, table: FeatureTable, as_of: date) -> int:
    statement = (
        f"SELECT COUNT(*) AS row_count FROM `{_place(settings, table)}` "  # noqa: S608 - our own names
        f"WHERE {table.place.partition_by} = @as_of"
    )
    return int(ask(client, settings, statement, [as_of_parameter(as_of)])[0]["row_count"])
