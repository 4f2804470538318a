"""What the warehouse holds, counted: the proof that nothing was lost."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.cloud import bigquery

from shopstream.schemas import EVENT_TYPES, CloudSettings
from shopstream.schemas.events import LEDGER_ENTRY
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id, failed_table_id, raw_table_id

_SECONDS = 60.0


@dataclass(frozen=True)
class Tally:
    """Events in the warehouse. Each event_id counts once; `rows` counts what was delivered twice as well."""

    stored: Mapping[str, int]
    """Events in the raw tables, by event_type."""
    failed: Mapping[str, int]
    """Failed events, by reason."""
    rows: int
    """Rows of the raw and failed tables together."""

    @property
    def events(self) -> int:
        """Events that have met their fate."""
        return sum(self.stored.values()) + sum(self.failed.values())

    @property
    def duplicates_delivered(self) -> int:
        """Rows beyond one an event."""
        return self.rows - self.events


def tally(client: bigquery.Client, settings: CloudSettings) -> Tally:
    """Count what is there now."""
    raw = "\nUNION ALL\n".join(
        f"SELECT '{event_type}' AS name, COUNT(*) AS row_count, COUNT(DISTINCT event_id) AS events "  # noqa: S608
        f"FROM `{raw_table_id(settings, event_type)}`"
        for event_type in EVENT_TYPES
        if event_type != LEDGER_ENTRY  # Nobody's event, but capture's own.
    )
    stored = _rows(client, raw)
    failed = _rows(
        client,
        f"SELECT reason AS name, COUNT(*) AS row_count, COUNT(DISTINCT event_id) AS events "  # noqa: S608
        f"FROM `{failed_table_id(settings)}` GROUP BY reason",
    )
    return Tally(
        {str(row["name"]): int(row["events"]) for row in stored},
        {str(row["name"]): int(row["events"]) for row in failed},
        sum(int(row["row_count"]) for row in (*stored, *failed)),
    )


def views_repeat_an_event(client: bigquery.Client, settings: CloudSettings) -> list[str]:
    """The analysts' views that show an event_id twice; there must be none."""
    views = {model.table.name for model in EVENT_TYPES.values()}
    statement = "\nUNION ALL\n".join(
        f"SELECT '{view}' AS name, COUNT(*) - COUNT(DISTINCT event_id) AS repeats "  # noqa: S608
        f"FROM `{dataset_id(settings, Dataset.VIEWS)}.{view}`"
        for view in sorted(views)
    )
    return [str(row["name"]) for row in _rows(client, statement) if row["repeats"]]


def _rows(client: bigquery.Client, statement: str) -> list[bigquery.Row]:
    return list(client.query(statement, timeout=_SECONDS, retry=None).result(timeout=_SECONDS, retry=None))
