"""Failed events as they are looked at: by filters, counted, listed, one of them whole."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.cloud import bigquery

from shopstream.schemas import CloudSettings
from shopstream.schemas.table import Dataset
from shopstream.schemas.views import FAILED_VIEW
from shopstream.schemas.warehouse import dataset_id

from .warehouse import ask, timestamp

Row = dict[str, Any]


@dataclass(frozen=True)
class FailedFilter:
    """Which failed events; what is None or empty lets all through."""

    stage: str | None = None
    reason: str | None = None
    field: str | None = None
    since: datetime | None = None
    """By the moment they failed; included."""
    until: datetime | None = None
    """Left out."""
    event_ids: tuple[str, ...] = ()
    with_replayed: bool = False
    """Those too that were replayed and stored since."""

    def clause(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its parameters."""
        conditions = ["TRUE"] if self.with_replayed else ["COALESCE(replay_outcome, '') != 'stored'"]
        parameters: list[Any] = []
        for name in ("stage", "reason", "field"):
            if (value := getattr(self, name)) is not None:
                conditions.append(f"{name} = @{name}")
                parameters.append(bigquery.ScalarQueryParameter(name, "STRING", value))
        for name, sign in (("since", ">="), ("until", "<")):
            if (moment := getattr(self, name)) is not None:
                conditions.append(f"failed_at {sign} @{name}")
                parameters.append(timestamp(name, moment))
        if self.event_ids:
            conditions.append("event_id IN UNNEST(@event_ids)")
            parameters.append(bigquery.ArrayQueryParameter("event_ids", "STRING", list(self.event_ids)))
        return " AND ".join(conditions), parameters


def count_failed(client: bigquery.Client, settings: CloudSettings, chosen: FailedFilter) -> list[Row]:
    """How many there are of each stage, reason and field, the most first, with when the first and last failed.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    return _ask(
        client,
        settings,
        chosen,
        "stage, reason, field, COUNT(*) AS events, MIN(failed_at) AS first_at, MAX(failed_at) AS last_at",
        "GROUP BY stage, reason, field ORDER BY events DESC, stage, reason, field",
    )


def list_failed(client: bigquery.Client, settings: CloudSettings, chosen: FailedFilter, most: int) -> list[Row]:
    """The events themselves, the last to fail first; their bytes as `payload`.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    found = _ask(client, settings, chosen, "*", f"ORDER BY failed_at DESC, event_id LIMIT {most:d}")
    return [row | {"payload": base64.b64decode(row["payload"])} for row in found]


def _ask(client: bigquery.Client, settings: CloudSettings, chosen: FailedFilter, columns: str, rest: str) -> list[Row]:
    view = f"{dataset_id(settings, Dataset.FAILED)}.{FAILED_VIEW}"
    condition, parameters = chosen.clause()
    statement = f"SELECT {columns} FROM `{view}` WHERE {condition} {rest}"  # noqa: S608 - names and words of our own
    return ask(client, statement, view, parameters)


def count_lines(rows: Sequence[Row]) -> list[str]:
    """A table for people."""
    lines = [f"{'events':>10}  {'stage':9} {'reason':22} {'field':32} last"]
    for row in rows:
        where = f"{row['stage']:9} {row['reason']:22} {row['field'] or '':32}"
        lines.append(f"{row['events']:>10,}  {where} {row['last_at']:%Y-%m-%d %H:%M}")
    return [*lines, f"{sum(row['events'] for row in rows):>10,}  failed events"]
