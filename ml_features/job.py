"""One feature table for one date, or for a few days: query, check, replace exactly those partitions."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from google.cloud import bigquery
from pydantic import BaseModel

from shopstream.schemas.quality_result import QualityResult
from shopstream.schemas.table import Table
from shopstream.schemas.warehouse import DECISIONS, QUALITY_RESULTS, WRITTEN_INSIGHTS, dataset_id

from . import model_reorders
from .anonymise import told_product_queries, told_queries
from .catalog import FeatureTable
from .models import reorder
from .outlooks import customer_outlooks
from .parameters import Days, parameters
from .settings import FeatureSettings
from .warehouse import REQUEST_SECONDS, Row, ask, insert_rows, load_rows, retrying, translated

CANDIDATE_HOURS = 1
"""A candidate left behind by a killed job deletes itself after this long: it is about people."""

Finish = Callable[[Sequence[Mapping[str, Any]], date, FeatureSettings], Sequence[BaseModel]]

FINISHED: Mapping[str, Finish] = {
    "reorder_weights": lambda pairs, as_of, _: reorder.fit(pairs, as_of),
    "queries": told_queries,
    "product_queries": told_product_queries,
    "customer_outlooks": lambda orders, as_of, _: customer_outlooks(orders, as_of),
}
"""Tables whose query gives what Python makes the rows of: pairs a model is fitted on, exact counts of users, orders."""

Fill = Callable[[bigquery.Client, FeatureSettings, FeatureTable, Days, bigquery.Table], None]
FILLED: Mapping[str, Fill] = {"model_reorders": model_reorders.fill}
"""Tables whose candidate is filled otherwise than by the query."""

FORGOTTEN_WITH: Mapping[str, Sequence[Table]] = {"explorations": (DECISIONS.table, WRITTEN_INSIGHTS.table)}
"""Tables that no job fills, and with whose run the rows of who withdrew go."""


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
    """Rows of the partitions as they are now."""
    seconds: float
    warnings: tuple[Finding, ...]


def run(
    client: bigquery.Client,
    settings: FeatureSettings,
    table: FeatureTable,
    as_of: date,
    now: datetime,
    *,
    first_day: date | None = None,
) -> RunResult:
    """Compute the table's rows for as_of, check them, and put them in place of what its partitions held.

    Tables by day are computed from first_day on, or for as many days as late events need. Then rows of users who do
    not allow the table's purpose are deleted, of whatever day. Running twice gives the same. `now` says when a
    candidate left behind deletes itself, and when the checks were made.

    Raises:
        CheckFailed: A check headed `-- fail:` returned rows; nothing was replaced.
        Unavailable: BigQuery does not answer; running again is safe.
        SettingsError: A table is missing.
    """
    started = time.perf_counter()
    days = days_of(table, as_of, first_day)
    found: list[Finding] = []
    if not (table.place.published_once and _count(client, settings, table, days)):
        with _candidate(client, settings, table, as_of, now) as candidate:
            _fill(client, settings, table, days, candidate)
            found = _judge(client, settings, table, days, f"SELECT * FROM `{candidate}`")  # noqa: S608 - our own name
            _record(client, settings, table, found, now)
            if broken := [finding for finding in found if finding.verdict == "fail"]:
                raise CheckFailed(
                    f"{table.name} for {as_of} was not replaced: " + "; ".join(str(finding) for finding in broken)
                )
            _replace(client, settings, table, days, candidate)
    for place in (table.place, *FORGOTTEN_WITH.get(table.name, ())):
        if place.purpose is not None:
            forget_withdrawn(client, settings, place)
    rows = _count(client, settings, table, days)
    return RunResult(table.name, as_of, rows, round(time.perf_counter() - started, 3), tuple(found))


def days_of(table: FeatureTable, as_of: date, first_day: date | None = None) -> Days:
    """The days a run for as_of computes: of a table by as_of that one, of a table by day some before it too."""
    if table.place.days_per_run == 1:
        return Days(as_of, as_of)
    return Days(first_day or as_of - timedelta(days=table.place.days_per_run - 1), as_of)


def check(client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, as_of: date) -> list[Finding]:
    """The checks that the stored partition breaks."""
    stored = f"SELECT * FROM `{_place(settings, table.place)}` WHERE {table.place.partition_by} = @as_of"  # noqa: S608 - our names
    return _judge(client, settings, table, Days(as_of, as_of), stored)


def forget_withdrawn(client: bigquery.Client, settings: FeatureSettings, table: Table) -> None:
    """Delete the rows, of every day, of users who do not allow what the table is for.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    # Where a use is allowed unless refused, only refusals matter; otherwise whoever has not agreed goes.
    which = "IN (SELECT user_id FROM consent_states WHERE NOT granted"
    if not settings.allowed_otherwise:
        which = "NOT IN (SELECT user_id FROM consent_states WHERE granted"
    statement = (
        f"DELETE FROM `{_place(settings, table)}` "  # noqa: S608 - our own names
        f"WHERE user_id IS NOT NULL AND user_id {which} AND purpose = '{table.purpose}')"
    )
    ask(client, settings, statement)


def _place(settings: FeatureSettings, table: Table) -> str:
    return f"{dataset_id(settings, table.dataset)}.{table.name}"


@contextmanager
def _candidate(
    client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, as_of: date, now: datetime
) -> Iterator[bigquery.Table]:
    """An empty table with the columns of the feature table, gone afterwards."""

    def make() -> bigquery.Table:
        with translated():
            schema = client.get_table(_place(settings, table.place), timeout=REQUEST_SECONDS, retry=None).schema
            made = bigquery.Table(f"{_place(settings, table.place)}_candidate_{as_of:%Y%m%d}", schema=schema)
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
    client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, days: Days, candidate: bigquery.Table
) -> None:
    if fill := FILLED.get(table.name):
        fill(client, settings, table, days, candidate)
        return
    if finish := FINISHED.get(table.name):
        found = ask(client, settings, table.query, parameters(settings, days, table.query))
        rows = finish(found, days.last, settings)
        load_rows(client, candidate, [row.model_dump(mode="json") for row in rows])
        return
    names = ", ".join(f"`{name}`" for name in table.columns)
    # Columns by name: the query may give them in any order. It is a whole statement, so that it also runs alone.
    statement = f"INSERT INTO `{candidate}` ({names})\nSELECT {names} FROM (\n{table.query}\n)"
    ask(client, settings, statement, parameters(settings, days, statement))


def _judge(
    client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, days: Days, candidate: str
) -> list[Finding]:
    # All checks in one statement: it is the number of statements that takes the time, not the rows.
    counts = "\nUNION ALL\n".join(
        f"SELECT {place} AS place, COUNT(*) AS row_count FROM (\n{each.statement}\n)"  # noqa: S608 - our own texts
        for place, each in enumerate(table.checks)
    )
    statement = f"WITH candidate AS ({candidate})\n{counts}"
    rows: list[Row] = ask(client, settings, statement, parameters(settings, days, statement))
    by_place = {row["place"]: row["row_count"] for row in rows}
    return [
        Finding(each.verdict, each.meaning, by_place[place])
        for place, each in enumerate(table.checks)
        if by_place[place]
    ]


def _record(
    client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, found: Sequence[Finding], now: datetime
) -> None:
    """Keep what every check found beside the results of the other quality rules."""
    rows = {finding.meaning: finding.rows for finding in found}
    results = [
        QualityResult(
            checked_at=now,
            rule=f"{table.name}: {each.meaning}"[:256],
            value=rows.get(each.meaning, 0),
            most=0,
            threshold="default",
            verdict="breach" if each.meaning in rows else "ok",
            job=table.name,
        )
        for each in table.checks
    ]
    place = f"{dataset_id(settings, QUALITY_RESULTS.table.dataset)}.{QUALITY_RESULTS.table.name}"
    insert_rows(client, place, [result.model_dump(mode="json") for result in results])


def _replace(
    client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, days: Days, candidate: bigquery.Table
) -> None:
    """Delete and insert in one transaction: readers see the old rows or the new ones.

    Both BigQuery and the emulator take it. The alternatives fail on one of them: the emulator ignores a query's
    destination, so `table$YYYYMMDD` would write nothing (and on BigQuery a query's nullable columns do not fit
    REQUIRED ones); MERGE ON FALSE takes the emulator the product of old and new rows. The days stand in the text
    because the emulator hands parameters to the first statement of a script only.
    """
    names = ", ".join(f"`{name}`" for name in table.columns)
    place = _place(settings, table.place)
    between = f"BETWEEN DATE '{days.first.isoformat()}' AND DATE '{days.last.isoformat()}'"
    statement = (
        "BEGIN TRANSACTION;\n"  # noqa: S608 - our own names
        f"DELETE FROM `{place}` WHERE {table.place.partition_by} {between};\n"
        f"INSERT INTO `{place}` ({names}) SELECT {names} FROM `{candidate}`;\n"
        "COMMIT TRANSACTION;"
    )
    ask(client, settings, statement)


def _count(client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, days: Days) -> int:
    statement = (
        f"SELECT COUNT(*) AS row_count FROM `{_place(settings, table.place)}` "  # noqa: S608 - our own names
        f"WHERE {table.place.partition_by} BETWEEN @first_day AND @as_of"
    )
    return int(ask(client, settings, statement, parameters(settings, days, statement))[0]["row_count"])
