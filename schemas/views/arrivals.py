"""The view that says what arrived when, and how long it took."""

from ..table import Dataset
from ..warehouse import FAILED_TABLE, RAW_TABLES
from .view import View

ARRIVALS_VIEW = "arrivals"


def arrivals() -> View:
    """One row an event type and minute, of what was stored, and of what failed."""
    stored = "\nUNION ALL\n".join(
        f"""SELECT
  '{event_type}' AS event_type, 'stored' AS fate, TIMESTAMP_TRUNC(received_at, MINUTE) AS minute, COUNT(*) AS row_count,
  APPROX_QUANTILES(TIMESTAMP_DIFF(ingested_at, received_at, MILLISECOND), 100)[OFFSET(50)] AS median_ms,
  APPROX_QUANTILES(TIMESTAMP_DIFF(ingested_at, received_at, MILLISECOND), 100)[OFFSET(99)] AS p99_ms
FROM `{{dataset}}{table.table.dataset}.{table.table.name}`
WHERE received_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)
GROUP BY minute"""  # noqa: S608 - names from our own list
        for event_type, table in RAW_TABLES.items()
    )
    failed = FAILED_TABLE.table
    return View(
        ARRIVALS_VIEW,
        Dataset.VIEWS,
        "An event type and a minute (UTC) of the last 24 hours: rows that arrived and were stored, or failed, and how "
        "long they took from Pub/Sub to the pipeline's end, in milliseconds. Duplicates count.",
        f"""{stored}
UNION ALL
SELECT
  'any' AS event_type, 'failed' AS fate, TIMESTAMP_TRUNC(received_at, MINUTE) AS minute, COUNT(*) AS row_count,
  CAST(NULL AS INT64) AS median_ms, CAST(NULL AS INT64) AS p99_ms
FROM `{{dataset}}{failed.dataset}.{failed.name}`
WHERE received_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)
GROUP BY minute""",  # noqa: S608 - names from our own list
    )
