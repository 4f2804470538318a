"""BigQuery as a backend: rows streamed straight into the raw tables, with insertId = event_id; no pipeline between.

The rows are those the pipeline makes, with received_at the moment of sending. BigQuery drops a row that it got under
the same insertId a moment ago; what passes it by, the views drop.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.bigquery import Client

from shopstream.schemas import CloudSettings, FailedEvent, Reason, Rejected, Unavailable
from shopstream.schemas.arrived import read_arrived
from shopstream.schemas.message import FAILED_EVENT
from shopstream.schemas.rows import MAX_BYTES_PER_REQUEST, MAX_ROWS_PER_REQUEST, arrival_values, event_row, failed_row
from shopstream.schemas.warehouse import CONTRACT_LABEL, FAILED_TABLE, RAW_TABLES, failed_table_id, raw_table_id

from ..spool_format import Record
from . import Batch, RefusedInPart

_TOO_LARGE = 413
_PASSING = frozenset({"stopped", "timeout", "backendError", "internalError", "rateLimitExceeded", "quotaExceeded"})
"""Reasons for which a row is not stored this time; it was not at fault. Any other reason refuses the row."""
_WHAT_TO_DO: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.NotFound, "is not there: shopstream-pipeline tables apply"),
    (exceptions.Forbidden, "may not be written, or a quota is used up: grant this account roles/bigquery.dataEditor"),
    (exceptions.Unauthorized, "does not accept the credentials: see GOOGLE_APPLICATION_CREDENTIALS"),
    (exceptions.TooManyRequests, "is asked too often; this passes"),
    (exceptions.GoogleAPIError, "did not take the rows"),
    (GoogleAuthError, "cannot be asked without credentials: see GOOGLE_APPLICATION_CREDENTIALS"),
    (requests.RequestException, "cannot be reached"),
    (OSError, "cannot be reached"),
)
"""The first that fits; a request refused with 400 or 413 never gets here, but is halved until the row is found."""
_ERRORS = tuple(error for error, _ in _WHAT_TO_DO)


@dataclass(frozen=True, slots=True)
class _Row:
    """A record as BigQuery takes it."""

    place: int
    """In the batch, from 0."""
    table: str
    row_id: str
    document: bytes
    """Its JSON."""


@dataclass
class _Request:
    """Rows of one table, as many as one request takes."""

    rows: list[_Row] = field(default_factory=list)
    size: int = 0


class BigQuery:
    """Writes to the raw tables and to that of failed events. Without retries of its own."""

    def __init__(self, cloud: CloudSettings, *, timeout_seconds: float, now: Callable[[], datetime]) -> None:
        self._cloud, self._timeout, self._now = cloud, timeout_seconds, now
        try:
            self._client = _connect(cloud)
        except _ERRORS as error:
            raise _translated("BigQuery", error) from None

    def send(self, batch: Batch) -> None:
        """Insert the batch's rows, at most 500 and 9 MB a request."""
        refusals: dict[int, Rejected] = {}
        rows = []
        now = self._now()
        for place, record in enumerate(batch):
            try:
                rows.append(row_of(place, record, self._cloud, now))
            except Rejected as rejection:
                refusals[place] = rejection
        for request in requests_of(rows):
            refusals |= self._insert(request)
        if any(batch[place].event_type == FAILED_EVENT for place in refusals):
            # A failed event has nowhere else to go. Nothing is dropped for a table that is set up wrongly.
            raise Unavailable(f"{failed_table_id(self._cloud)} refuses failed events: shopstream-pipeline tables plan")
        if refusals:
            raise RefusedInPart(dict(sorted(refusals.items())))

    def check(self) -> None:
        """See whether every table is there and is the one this code's contract makes."""
        tables = {raw_table_id(self._cloud, event_type): table for event_type, table in RAW_TABLES.items()}
        for name, table in (tables | {failed_table_id(self._cloud): FAILED_TABLE}).items():
            try:
                found = self._client.get_table(name, timeout=self._timeout, retry=None)
            except _ERRORS as error:
                raise _translated(name, error) from None
            if found.labels.get(CONTRACT_LABEL) != table.contract:
                raise Unavailable(f"{name} was made from another contract: shopstream-pipeline tables plan")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _insert(self, rows: Sequence[_Row]) -> dict[int, Rejected]:
        """Store the rows of one table; those that never will be, by place."""
        try:
            answers = self._client.insert_rows_json(
                rows[0].table,
                [orjson.loads(row.document) for row in rows],
                row_ids=[row.row_id for row in rows],
                skip_invalid_rows=True,
                timeout=self._timeout,
                retry=None,
            )
        except _ERRORS as error:
            if not _is_refusal(error):
                raise _translated(rows[0].table, error) from None
            if len(rows) == 1:
                return {rows[0].place: Rejected(Reason.ROW_REFUSED, "BigQuery refuses the request with this row alone")}
            # A request refused as a whole hides which row was to blame: halve it until that is plain.
            middle = len(rows) // 2
            return self._insert(rows[:middle]) | self._insert(rows[middle:])
        refusals, passed_over = sorted_answers(rows, answers)
        if passed_over and not refusals:
            raise Unavailable(f"{rows[0].table} passed over {len(passed_over)} rows; this passes")
        # What was passed over because of the rows refused may be taken without them.
        return refusals | self._insert(passed_over) if passed_over else refusals


def row_of(place: int, record: Record, cloud: CloudSettings, now: datetime) -> _Row:
    """The row of a record.

    Raises:
        Rejected: The record does not follow this code's contract.
    """
    if record.event_type == FAILED_EVENT:
        try:
            failure = FailedEvent.model_validate_json(record.document)
        except ValueError:
            raise Rejected(Reason.INVALID_VALUE, "the record is no failed event of this version") from None
        document = failed_row(failure.model_copy(update={"received_at": now}))
        return _Row(place, failed_table_id(cloud), failure.event_id, document)
    event, unknown = read_arrived(record.document, now)
    document = event_row(event, arrival_values(event, unknown, received_at=now, ingested_at=now))
    return _Row(place, raw_table_id(cloud, event.event_type), event.event_id, document)


def requests_of(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """The rows by table, in requests that insertAll takes."""
    filling: dict[str, _Request] = {}
    for row in rows:
        request = filling.setdefault(row.table, _Request())
        size = len(row.document)
        if len(request.rows) == MAX_ROWS_PER_REQUEST or (request.rows and request.size + size > MAX_BYTES_PER_REQUEST):
            yield request.rows
            request = filling[row.table] = _Request()
        request.rows.append(row)
        request.size += size
    for request in filling.values():
        yield request.rows


def sorted_answers(
    rows: Sequence[_Row], answers: Sequence[Mapping[str, Any]]
) -> tuple[dict[int, Rejected], list[_Row]]:
    """What insertAll says of single rows: those refused for good, by place in the batch, and those to send again."""
    refusals: dict[int, Rejected] = {}
    passed_over = []
    for answer in answers:
        row = rows[int(answer["index"])]
        lasting = [error for error in answer.get("errors") or [{}] if error.get("reason") not in _PASSING]
        if lasting:
            # Its message is left out, for it quotes the value.
            reason, where = str(lasting[0].get("reason") or "refused"), lasting[0].get("location") or None
            refusals[row.place] = Rejected(Reason.ROW_REFUSED, f"BigQuery refused the row: {reason}", field=where)
        else:
            passed_over.append(row)
    return refusals, passed_over


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, exceptions.BadRequest) or getattr(error, "code", None) == _TOO_LARGE


def _translated(name: str, error: Exception) -> Unavailable:
    """What the client raised, in our words; its own text is left out, for it may quote the request."""
    what = next(what for kind, what in _WHAT_TO_DO if isinstance(error, kind))
    return Unavailable(f"{name} {what} ({type(error).__name__})")


def _connect(cloud: CloudSettings) -> Client:
    if cloud.bigquery_emulator_host is None:
        return Client(cloud.google_cloud_project, location=cloud.bigquery_location)
    return Client(
        cloud.google_cloud_project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": cloud.bigquery_emulator_host},
    )
