"""Moves events from the landing table, where Pub/Sub wrote them, to where the job would have stored them.

A row leaves the landing table only once it is seen in its raw table or among the failed events. So the command may be
killed, run twice or run beside itself: nothing is lost, and what two runs store twice the views show once.
"""

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from google.cloud import bigquery

from shopstream.schemas import EVENT_TYPES, CloudSettings, FailedEvent, Reason, Rejected, Stage
from shopstream.schemas.failure import OF_AN_ERASED_USER
from shopstream.schemas.landing import LANDING_COLUMNS, OWN_COLUMNS, PUBLISHED_AT, landing_table_id
from shopstream.schemas.message import FAILED_EVENT
from shopstream.schemas.rows import failed_row
from shopstream.schemas.warehouse import failed_table_id

from .arrival import Delivered, Delivery, Line
from .decode import decode
from .land_sql import clear, refused_rows, store, waiting_rows
from .options import PipelineSettings
from .outcome import failed_event
from .tombstones import Tombstones
from .validate import validate
from .warehouse import ask, change, delete, store_rows, timestamp
from .write_failed import day_of, log_reasons, reason_of, write_copies

JOB = "land"
"""What failed events have as the job that refused them."""


@dataclass(frozen=True)
class Waiting:
    """What waits, and published within which moments, both included: they bound what is read of every table."""

    rows: Mapping[str, int]
    """By event type; empty where a row has none that is known."""
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Landed:
    """What was done with the rows of one event type."""

    event_type: str
    waited: int
    """With those that came twice."""
    stored: int
    """Those that are in the raw table now."""
    refused: int
    """Those that are failed events now."""


def land(client: bigquery.Client, settings: PipelineSettings, now: datetime) -> list[Landed]:
    """Move what waits, by event type; those of which nothing waits are left out.

    Raises:
        Unavailable: BigQuery does not answer, or there is no landing table.
        SettingsError: Users were erased, and PRIVACY_KEY is not set.
    """
    tombstones = Tombstones.of(settings)
    tombstones.refresh(now)
    waiting = find_waiting(client, settings)
    if waiting is None:
        return []
    erased = [] if tombstones.is_empty else _erased(client, settings, tombstones)
    mover = Mover(client, settings, waiting, erased, now)
    stored = {event_type: mover.change(store(settings, event_type)) for event_type in mover.event_types}
    refused = mover.refuse()
    mover.clear()
    return [
        Landed(event_type, rows, stored.get(event_type, 0), refused[event_type])
        for event_type, rows in waiting.rows.items()
    ]


def find_waiting(client: bigquery.Client, settings: CloudSettings) -> Waiting | None:
    """What waits; None where nothing does.

    Raises:
        Unavailable: BigQuery does not answer, or there is no landing table.
    """
    found = ask(client, waiting_rows(settings), "the landing table")
    if not found:
        return None
    rows = {row["event_type"]: row["n"] for row in found}
    return Waiting(rows, min(row["first"] for row in found), max(row["last"] for row in found))


def _erased(client: bigquery.Client, settings: CloudSettings, tombstones: Tombstones) -> list[str]:
    """Of the users whose events wait those who were erased: their hash needs a key that BigQuery does not have."""
    statement = f"SELECT DISTINCT user_id FROM `{landing_table_id(settings)}` WHERE user_id IS NOT NULL"  # noqa: S608
    users = (row["user_id"] for row in ask(client, statement, "the users in the landing table"))
    return [user for user in users if tombstones.holds(user)]


@dataclass(frozen=True)
class Mover:
    """Moves what waits: stores, refuses, and only then clears what is seen to be stored or refused."""

    client: bigquery.Client
    settings: PipelineSettings
    waiting: Waiting
    erased: Sequence[str]
    now: datetime

    @property
    def event_types(self) -> list[str]:
        """Those that have a raw table."""
        return [event_type for event_type in EVENT_TYPES if event_type in self.waiting.rows]

    def change(self, statement: str) -> int:
        """How many rows one of the statements changed."""
        return change(self.client, statement, "the landing table", self._parameters(statement))

    def clear(self) -> None:
        """Delete what is seen elsewhere; where BigQuery does not let go of it yet, a later run does."""
        statement = clear(self.settings, self.event_types)
        delete(self.client, statement, "the landing table", self._parameters(statement))

    def refuse(self) -> Tally[str]:
        """Make failed events of what is refused; how many, by event type."""
        statement = refused_rows(self.settings)
        rows = ask(self.client, statement, "the landing table", self._parameters(statement))
        failures = [self._failure(row) for row in rows]
        documents = [failed_row(failure) for failure in failures]
        place = failed_table_id(self.settings)
        store_rows(self.client, place, documents, [failure.event_id for failure in failures])
        copies: defaultdict[date, list[bytes]] = defaultdict(list)
        for failure, document in zip(failures, documents, strict=True):
            copies[day_of(failure)].append(document)
        if copies and self.settings.failed_events_bucket is not None:
            write_copies(self.settings, self.settings.failed_events_bucket, copies)
        log_reasons(Tally(map(reason_of, failures)))
        return Tally(row["event_type"] for row in rows)

    def _parameters(self, statement: str) -> list[Any]:
        parameters: list[Any] = [
            timestamp("first", self.waiting.first),
            timestamp("last", self.waiting.last),
            timestamp("now", self.now),
            bigquery.ArrayQueryParameter("erased", "STRING", list(self.erased)),
            bigquery.ArrayQueryParameter("test_prefixes", "STRING", list(self.settings.test_prefixes)),
        ]
        return [each for each in parameters if f"@{each.name}" in statement]

    def _failure(self, row: dict[str, Any]) -> FailedEvent:
        """The row as the job would have refused it; of an erased user nothing but its number."""
        delivery = Delivery(row["message_id"], orjson.loads(row["attributes"] or "{}"), row[PUBLISHED_AT])
        line = Line(_own_fields(row), 0, delivery)
        if row["event_type"] == FAILED_EVENT:
            said = Delivery(delivery.message_id, {"event_type": FAILED_EVENT}, delivery.received_at)
            (failure,) = decode(Delivered(line.payload, said), self.now).failed
            return failure.without_payload() if row["user_id"] in self.erased else failure
        rejection = Rejected(Reason.ERASED_USER, OF_AN_ERASED_USER)
        if row["user_id"] not in self.erased:
            rejection = _why(line, self.now)
        return failed_event(Stage.VALIDATE, rejection, line, self.now).model_copy(update={"job": JOB})


def _own_fields(row: dict[str, Any]) -> bytes:
    """The event without the columns of other types, of which those that are repeated are there, and empty."""
    fields = orjson.loads(row["document"])
    own = {column["name"] for column in OWN_COLUMNS.get(row["event_type"], LANDING_COLUMNS)}
    return orjson.dumps({name: value for name, value in fields.items() if name in own})


def _why(line: Line, now: datetime) -> Rejected:
    try:
        validate(line, now)
    except Rejected as rejection:
        return rejection
    return Rejected(Reason.ROW_REFUSED, "the contract in SQL refuses the row, and the contract in Python takes it")
