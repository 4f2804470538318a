"""The landing table: where Pub/Sub itself writes events, until `shopstream-pipeline land` moves them to the raw tables.

Only where events come by a BigQuery subscription: docs/ingest.md. One table takes every event type, for it has the
columns of all: a subscription for each type would pay for every message that its filter leaves out, and what is of no
known type would be left out by all of them, unseen.
"""

from .bigquery_schema import Column, columns_of
from .envelope import Record
from .environment import CloudSettings
from .events import EVENT_TYPES
from .failure import FailedEvent
from .message import FAILED_EVENT

LANDING_SUFFIX = "_landing"
"""Of its dataset. Rows stay in it for minutes; nobody reads it but `land`."""
LANDING_TABLE = "events"
LANDING_EXPIRY_DAYS = 7
"""What `land` has not moved after so many days is gone, as is what nobody pulls from a subscription."""
PUBLISHED_AT = "publish_time"
"""The column by whose day the table is partitioned."""
LANDING_DESCRIPTION = "An event, or what capture refused, as Pub/Sub wrote it; waits for `shopstream-pipeline land`."

METADATA: tuple[Column, ...] = tuple(
    {"name": name, "type": kind, "mode": "NULLABLE", "description": description}
    for name, kind, description in (
        ("subscription_name", "STRING", "The subscription that wrote the row."),
        ("message_id", "STRING", "The Pub/Sub message it came in."),
        (PUBLISHED_AT, "TIMESTAMP", "When that message was published."),
        ("attributes", "JSON", "The attributes of that message."),
    )
)
"""The columns Pub/Sub fills with what it knows of a message, where a subscription has `write_metadata`."""


def _nullable(column: Column) -> Column:
    """The column without a promise: Pub/Sub refuses a message that lacks a REQUIRED one."""
    mode = "REPEATED" if column["mode"] == "REPEATED" else "NULLABLE"
    inner = {"fields": [_nullable(field) for field in column["fields"]]} if "fields" in column else {}
    return {**column, **inner, "mode": mode}


_METADATA_NAMES = frozenset(column["name"] for column in METADATA)
_MODELS: dict[str, type[Record]] = {**EVENT_TYPES, FAILED_EVENT: FailedEvent}
OWN_COLUMNS: dict[str, tuple[Column, ...]] = {
    event_type: tuple(_nullable(column) for column in columns_of(model) if column["name"] not in _METADATA_NAMES)
    for event_type, model in _MODELS.items()
}
"""The columns that the JSON of each event type fills, and those of what capture refused."""


def _of_all() -> tuple[Column, ...]:
    found: dict[str, Column] = {}
    for event_type, columns in OWN_COLUMNS.items():
        for column in columns:
            first = found.setdefault(column["name"], column)
            if _kind(first) != _kind(column):
                raise TypeError(f"{column['name']} of {event_type} is not what it is elsewhere: one table takes both")
            if column["type"] == "JSON":
                # Pub/Sub would take its value only as JSON within a text.
                raise TypeError(
                    f"{column['name']} of {event_type} is JSON, which no BigQuery subscription takes as it is"
                )
    return (*found.values(), *METADATA)


def _kind(column: Column) -> tuple[object, ...]:
    return column["type"], column["mode"], tuple((field["name"], _kind(field)) for field in column.get("fields", ()))


LANDING_COLUMNS = _of_all()
"""The columns of the landing table; of names that several types have the first one's meaning."""


def landing_table_id(settings: CloudSettings) -> str:
    """project.dataset.table of the landing table."""
    return f"{settings.google_cloud_project}.{settings.bigquery_dataset}{LANDING_SUFFIX}.{LANDING_TABLE}"
