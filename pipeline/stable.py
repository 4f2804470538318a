"""Closes days: copies each from the raw tables into the stable ones, every event once.

A day is closed again where something of it arrived late in BigQuery. Readers see the day as it was or as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from google.cloud import bigquery

from shopstream.schemas import CloudSettings
from shopstream.schemas.views import EVENT_VIEWS, FIRST_ARRIVED
from shopstream.schemas.warehouse import (
    RAW_TABLES,
    dataset_id,
    raw_table_id,
    stable_table_id,
)

from .warehouse import REQUEST_SECONDS, ask, unavailable_when_down

LATE_DAYS = 7
"""A row that reaches BigQuery so many days after its message was published is in the views at once; one that takes
longer, when days are closed the next time."""


@dataclass(frozen=True)
class ClosedDay:
    """A day of an event type that was copied."""

    event_type: str
    day: date
    events: int


def close_days(
    client: bigquery.Client, settings: CloudSettings, today: date, report: Callable[[ClosedDay], None] = lambda _: None
) -> list[ClosedDay]:
    """Close every day before today (UTC) of which a raw table holds an event that its stable table lacks.

    Running twice changes nothing; interrupted, the days that were closed stay closed.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    closed = []
    for event_type in RAW_TABLES:
        for day in _open_days(client, settings, event_type, today):
            closed.append(_close(client, settings, event_type, day))
            report(closed[-1])
        _renew_view(client, settings, event_type, today)
    return closed


def _open_days(client: bigquery.Client, settings: CloudSettings, event_type: str, today: date) -> list[date]:
    raw, stable = raw_table_id(settings, event_type), stable_table_id(settings, event_type)
    statement = (
        f"SELECT DATE(received_at) AS day FROM `{raw}` "  # noqa: S608 - our own names
        f"WHERE received_at < '{today}' AND event_id NOT IN (SELECT event_id FROM `{stable}`) "
        "GROUP BY day ORDER BY day"
    )
    return [row["day"] for row in ask(client, statement, raw)]


def _close(client: bigquery.Client, settings: CloudSettings, event_type: str, day: date) -> ClosedDay:
    """Replace the day in one transaction; an event that another day has is that day's."""
    raw, stable = raw_table_id(settings, event_type), stable_table_id(settings, event_type)
    columns = ", ".join(column["name"] for column in RAW_TABLES[event_type].columns)
    within = f"received_at >= '{day}' AND received_at < '{day + timedelta(days=1)}'"
    statement = f"""BEGIN TRANSACTION;
DELETE FROM `{stable}` WHERE {within};
INSERT INTO `{stable}` ({columns})
SELECT {columns} FROM `{raw}`
WHERE {within} AND event_id NOT IN (SELECT event_id FROM `{stable}`)
QUALIFY ROW_NUMBER() OVER ({FIRST_ARRIVED}) = 1;
COMMIT TRANSACTION;"""  # noqa: S608 - our own names
    ask(client, statement, stable)
    (row,) = ask(client, f"SELECT COUNT(*) AS events FROM `{stable}` WHERE {within}", stable)  # noqa: S608 - as above
    return ClosedDay(event_type, day, row["events"])


def _renew_view(client: bigquery.Client, settings: CloudSettings, event_type: str, today: date) -> None:
    """Let the view read raw rows of the last days only: a day that stands in its text prunes partitions."""
    view = EVENT_VIEWS[event_type]
    name = f"{dataset_id(settings, view.dataset)}.{view.name}"
    with unavailable_when_down(name):
        resource = client.get_table(name, timeout=REQUEST_SECONDS, retry=None)
        resource.view_query = view.text(settings, today - timedelta(days=LATE_DAYS))
        client.update_table(resource, ["view_query"], timeout=REQUEST_SECONDS, retry=None)
