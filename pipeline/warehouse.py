"""BigQuery as the job uses it: one client, one way to insert rows, one table of what its errors mean."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import TransportError
from google.cloud import bigquery

from shopstream.schemas import CloudSettings, Unavailable
from shopstream.schemas.envelope import Record
from shopstream.schemas.rows import MAX_ROWS_PER_REQUEST
from shopstream.schemas.warehouse import WarehouseTable, dataset_id

from .arrival import Row
from .retry import retrying

REQUEST_SECONDS = 60.0
"""One request."""
STATEMENT_SECONDS = 600.0
"""One statement from start to end."""
STORE_SECONDS = 60.0
"""So long a command tries to store what it found."""

_IN_THE_BUFFER = "streaming buffer"
"""What BigQuery's refusal to delete rows that were streamed in lately says."""
_TRY_LATER = (
    exceptions.ServerError,
    exceptions.TooManyRequests,
    # A table just made, or an account just granted, may not be known everywhere yet.
    exceptions.NotFound,
    exceptions.Forbidden,
    exceptions.RetryError,
    TransportError,
    # Of any kind: an answer may break off in the middle, or be no JSON.
    requests.RequestException,
)


@dataclass(frozen=True)
class RowError:
    """One row BigQuery refused: its place in the request, the field, and why."""

    index: int
    field: str | None
    detail: str


def connect(settings: CloudSettings) -> bigquery.Client:
    """A client for the project, or for the emulator where one is named."""
    if settings.bigquery_emulator_host is None:
        return bigquery.Client(settings.google_cloud_project, location=settings.bigquery_location)
    return bigquery.Client(
        settings.google_cloud_project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": settings.bigquery_emulator_host},
    )


def insert_rows(client: bigquery.Client, table: str, rows: Sequence[bytes], row_ids: Sequence[str]) -> list[RowError]:
    """One streaming insert of rows in JSON; rows without an error are stored, the others are returned with the reason.

    Raises:
        Unavailable: The request as a whole failed and may succeed later; nothing is known of the rows.
    """
    with unavailable_when_down(table):
        try:
            answers = client.insert_rows_json(
                table,
                [orjson.loads(row) for row in rows],
                row_ids=row_ids,
                skip_invalid_rows=True,
                timeout=REQUEST_SECONDS,
                retry=None,
            )
        except exceptions.BadRequest:
            if len(rows) == 1:
                return [RowError(0, None, "the request was refused with status 400")]
            return _insert_halves(client, table, rows, row_ids)
    return [_row_error(answer) for answer in answers]


def store_records(
    client: bigquery.Client, settings: CloudSettings, kind: WarehouseTable, records: Mapping[str, Record]
) -> None:
    """Insert what a command found or did into its table, by row ids that are the same when it is done again.

    Raises:
        Unavailable: BigQuery does not answer for a minute, or refuses a row.
    """
    place = f"{dataset_id(settings, kind.table.dataset)}.{kind.table.name}"
    store_rows(client, place, [record.model_dump_json().encode() for record in records.values()], list(records))


def store_rows(client: bigquery.Client, table: str, rows: Sequence[bytes], row_ids: Sequence[str]) -> None:
    """Insert rows in JSON, request by request; all of them, or an error.

    Raises:
        Unavailable: BigQuery does not answer for a minute, or refuses a row.
    """
    for start in range(0, len(rows), MAX_ROWS_PER_REQUEST):
        some = slice(start, start + MAX_ROWS_PER_REQUEST)
        errors = retrying(STORE_SECONDS)(insert_rows, client, table, rows[some], row_ids[some])
        if errors:
            raise Unavailable(f"{table} refused {len(errors)} rows ({errors[0].detail}); compare it: tables plan")


def timestamp(name: str, moment: datetime) -> Any:  # noqa: ANN401 - the client is untyped
    """A query parameter that is a moment."""
    return bigquery.ScalarQueryParameter(name, "TIMESTAMP", moment)


def ask(client: bigquery.Client, statement: str, what: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows a statement gives; `what` it is about, for the error.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    with unavailable_when_down(what):
        rows = _start(client, statement, parameters).result(timeout=STATEMENT_SECONDS, retry=None, job_retry=None)
        return [dict(row.items()) for row in rows]


def change(client: bigquery.Client, statement: str, what: str, parameters: Sequence[Any] = ()) -> int:
    """How many rows a statement inserted, changed or deleted; `what` it is about, for the error.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    with unavailable_when_down(what):
        query = _start(client, statement, parameters)
        query.result(timeout=STATEMENT_SECONDS, retry=None, job_retry=None)
        return int(query.num_dml_affected_rows or 0)


def delete(client: bigquery.Client, statement: str, what: str, parameters: Sequence[Any] = ()) -> None:
    """Run a DELETE; `what` it is about, for the error.

    Where a row was streamed in too lately for BigQuery to delete it none goes now, and all with a later run.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    try:
        change(client, statement, what, parameters)
    except exceptions.BadRequest as error:
        if _IN_THE_BUFFER not in str(error):
            raise


def _start(client: bigquery.Client, statement: str, parameters: Sequence[Any]) -> bigquery.QueryJob:
    config = bigquery.QueryJobConfig(query_parameters=list(parameters))
    return client.query(statement, job_config=config, timeout=REQUEST_SECONDS, retry=None, job_retry=None)


def find_stored(client: bigquery.Client, table: str, rows: Sequence[Row]) -> set[str]:
    """The event_ids of those of the rows that the table holds.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    arrivals = [row.line.delivery.received_at for row in rows]
    parameters = [
        timestamp("first", min(arrivals)),
        timestamp("last", max(arrivals)),
        bigquery.ArrayQueryParameter("event_ids", "STRING", [row.event_id for row in rows]),
    ]
    statement = (
        f"SELECT event_id FROM `{table}` WHERE received_at BETWEEN @first AND @last "  # noqa: S608 - our own name
        "AND event_id IN UNNEST(@event_ids)"
    )
    return {row["event_id"] for row in ask(client, statement, table, parameters)}


def _insert_halves(
    client: bigquery.Client, table: str, rows: Sequence[bytes], row_ids: Sequence[str]
) -> list[RowError]:
    """A request refused as a whole hides which row was to blame: halve it until that is plain."""
    middle = len(rows) // 2
    first = insert_rows(client, table, rows[:middle], row_ids[:middle])
    second = insert_rows(client, table, rows[middle:], row_ids[middle:])
    return first + [RowError(error.index + middle, error.field, error.detail) for error in second]


def _row_error(answer: dict[str, Any]) -> RowError:
    first = (answer.get("errors") or [{}])[0]
    field = first.get("location") or None
    return RowError(int(answer["index"]), field, str(first.get("reason") or "refused"))


@contextmanager
def unavailable_when_down(what: str) -> Iterator[None]:
    """Translate the client's errors that pass with time into Unavailable."""
    try:
        yield
    except _TRY_LATER as error:
        raise Unavailable(f"BigQuery did not take {what}: {type(error).__name__}") from error
