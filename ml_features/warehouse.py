"""BigQuery as feature jobs and the reader use it: one client, one way to ask, one table of what its errors mean."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, TypeAlias

import orjson
import pyarrow as pa
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import TransportError
from google.cloud import bigquery
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shopstream.schemas import CloudSettings, SettingsError, Unavailable
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

REQUEST_SECONDS = 60.0
"""One HTTP request."""
STATEMENT_SECONDS = 600.0
"""One statement from start to end."""
ATTEMPTS = 4

Parameter: TypeAlias = bigquery.ScalarQueryParameter
AnyParameter: TypeAlias = bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter
Row = dict[str, Any]

_TRY_LATER = (
    exceptions.ServerError,
    exceptions.TooManyRequests,
    exceptions.RetryError,
    TransportError,
    requests.RequestException,
    TimeoutError,
)


class Refused(Exception):
    """BigQuery understood a statement and will not run it; trying again gives the same answer."""


def connect(settings: CloudSettings) -> bigquery.Client:
    """A client for the project, or for the emulator where one is named."""
    if settings.bigquery_emulator_host is None:
        return bigquery.Client(settings.google_cloud_project, location=settings.bigquery_location)
    return bigquery.Client(
        settings.google_cloud_project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": settings.bigquery_emulator_host},
    )


def retrying(*, sleep: Callable[[float], None] = time.sleep) -> Retrying:
    """Full jitter, doubling from 0.2 s to 30 s, only on Unavailable; the last attempt's error is raised."""
    return Retrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=30),
        sleep=sleep,
        reraise=True,
    )


def ask(
    client: bigquery.Client, settings: CloudSettings, statement: str, parameters: Sequence[AnyParameter] = ()
) -> list[Row]:
    """The rows a statement gives; its unqualified names are views and tables of the views dataset.

    Repeated while BigQuery is unavailable, so hand it only statements that may run twice.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A dataset or table is missing.
        Refused: The statement is wrong.
    """
    return retrying()(_ask_once, client, settings, statement, parameters)


def _ask_once(
    client: bigquery.Client, settings: CloudSettings, statement: str, parameters: Sequence[AnyParameter]
) -> list[Row]:
    return [dict(row.items()) for row in rows_of(client, settings, statement, parameters)]


def rows_of(
    client: bigquery.Client, settings: CloudSettings, statement: str, parameters: Sequence[AnyParameter] = ()
) -> Iterator[Any]:
    """Like ask, but a row at a time, by name or place: for more rows than a list of dictionaries should hold.

    What breaks off in the middle is not begun anew.
    """
    with translated():
        yield from _result(client, settings, statement, parameters)


def arrow_batches(
    client: bigquery.Client, settings: CloudSettings, statement: str, parameters: Sequence[AnyParameter] = ()
) -> Iterator[pa.RecordBatch]:
    """Like rows_of, by columns: for tables of millions of rows.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A dataset or table is missing.
        Refused: The statement is wrong.
    """
    with translated():
        result = _result(client, settings, statement, parameters)
        yield from result.to_arrow_iterable()


def _result(
    client: bigquery.Client, settings: CloudSettings, statement: str, parameters: Sequence[AnyParameter]
) -> bigquery.table.RowIterator:
    config = bigquery.QueryJobConfig(
        default_dataset=dataset_id(settings, Dataset.VIEWS), query_parameters=list(parameters)
    )
    # The client's own retries hide a dead server for ten minutes.
    job = client.query(statement, job_config=config, timeout=REQUEST_SECONDS, retry=None, job_retry=None)
    return job.result(timeout=STATEMENT_SECONDS, retry=None, job_retry=None)


def append_rows(client: bigquery.Client, table: bigquery.Table, rows: Sequence[Row]) -> None:
    """Add rows to what a table holds, in one load job.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    _load(client, table, rows, bigquery.WriteDisposition.WRITE_APPEND)


def load_rows(client: bigquery.Client, table: bigquery.Table, rows: Sequence[Row]) -> None:
    """Replace what a table holds by these rows, in one load job.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    if rows:
        _load(client, table, rows, bigquery.WriteDisposition.WRITE_TRUNCATE)
        return
    with translated():  # The client cannot upload nothing.
        statement = f"DELETE FROM `{table.project}.{table.dataset_id}.{table.table_id}` WHERE TRUE"  # noqa: S608
        emptied = client.query(statement, timeout=REQUEST_SECONDS, retry=None, job_retry=None)
        emptied.result(timeout=STATEMENT_SECONDS, retry=None, job_retry=None)


def _load(client: bigquery.Client, table: bigquery.Table, rows: Sequence[Row], disposition: str) -> None:
    config = bigquery.LoadJobConfig(
        schema=table.schema,
        source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
        write_disposition=disposition,
    )
    lines = b"\n".join(orjson.dumps(row) for row in rows)
    with translated():
        # Without a size the client uploads resumably; the emulator refuses its multipart uploads.
        client.load_table_from_file(BytesIO(lines), table, job_config=config, timeout=REQUEST_SECONDS).result(
            timeout=STATEMENT_SECONDS, retry=None
        )


def insert_rows(client: bigquery.Client, table: str, rows: Sequence[Row]) -> None:
    """Add rows, in one streaming insert.

    Raises:
        Unavailable: BigQuery does not answer.
        Refused: It does not take a row.
    """

    def insert() -> None:
        with translated():
            if errors := client.insert_rows_json(table, rows, timeout=REQUEST_SECONDS, retry=None):
                raise Refused(f"BigQuery refused rows of {table}: {errors[0].get('errors')}")

    retrying()(insert)


@contextmanager
def translated() -> Iterator[None]:
    """The client's errors as ours: later, missing, or wrong."""
    try:
        yield
    except _TRY_LATER as error:
        raise Unavailable(f"BigQuery does not answer: {type(error).__name__}") from error
    except exceptions.NotFound as error:
        raise SettingsError(
            f"BigQuery has no such table: {_first_line(error)}. Make it with `shopstream-pipeline tables apply`, "
            "or set GOOGLE_CLOUD_PROJECT and BIGQUERY_DATASET to where it is."
        ) from error
    except exceptions.GoogleAPICallError as error:
        raise Refused(f"BigQuery refused a statement: {_first_line(error)}") from error


def _first_line(error: exceptions.GoogleAPICallError) -> str:
    return str(error.message or type(error).__name__).splitlines()[0][:300]
