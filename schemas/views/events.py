"""The views of events, of failed events and of what feature jobs compute."""

from ..table import Dataset
from ..warehouse import ERASURES, FAILED_TABLE, RAW_TABLES, REPLAYS, WarehouseTable
from .view import View

FAILED_VIEW = f"{FAILED_TABLE.table.name}_once"
OPEN_FAILURES_VIEW = "open_failures"
FRESHNESS_VIEW = "freshness"

FIRST_ARRIVED = "PARTITION BY event_id ORDER BY received_at, ingested_at"
"""Of several rows of one event the one that counts is that which arrived first."""


def event_view(table: WarehouseTable) -> View:
    """What is closed, and of what arrived since each event that is not in there."""
    name = table.table.name
    columns = ", ".join(column["name"] for column in table.columns)
    stable, raw = (f"`{{dataset}}{dataset}.{name}`" for dataset in (Dataset.STABLE, Dataset.RAW))
    erased = _being_erased()
    return View(
        name,
        Dataset.VIEWS,
        f"{table.description} Each event_id once, whatever was delivered twice.",
        f"""SELECT {columns} FROM {stable}
WHERE user_id IS NULL OR user_id NOT IN ({erased})
UNION ALL
SELECT {columns} FROM {raw}
WHERE received_at >= '{{raw_from}}' AND event_id NOT IN (SELECT event_id FROM {stable})
AND (user_id IS NULL OR user_id NOT IN ({erased}))
QUALIFY ROW_NUMBER() OVER ({FIRST_ARRIVED}) = 1""",  # noqa: S608 - names from our own list
    )


def _being_erased() -> str:
    """Users whose erasure is not done: rows that were streamed in cannot be deleted at once, but nobody sees them."""
    requests = f"`{{dataset}}{ERASURES.table.dataset}.{ERASURES.table.name}`"
    return f"SELECT user_id FROM {requests} WHERE user_id IS NOT NULL"  # noqa: S608 - names from our own list


def failed_view() -> View:
    """Each failed event once."""
    failed, replays = (f"`{{dataset}}{table.table.dataset}.{table.table.name}`" for table in (FAILED_TABLE, REPLAYS))
    return View(
        FAILED_VIEW,
        Dataset.FAILED,
        f"{FAILED_TABLE.description} Each event_id once, with when it was last replayed and what came of it.",
        f"""SELECT failures.*, replays.replayed_at, replays.outcome AS replay_outcome
FROM (
  SELECT * FROM {failed} WHERE user_id IS NULL OR user_id NOT IN ({_being_erased()})
  QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY received_at, failed_at) = 1
) AS failures
LEFT JOIN (
  SELECT event_id, replayed_at, outcome FROM {replays} WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY replayed_at DESC) = 1
) AS replays ON replays.event_id = failures.event_id""",  # noqa: S608 - names from our own list
    )


def open_failures() -> View:
    """What failed and waits for a fix, without a word of what it was."""
    return View(
        OPEN_FAILURES_VIEW,
        Dataset.VIEWS,
        "A stage, a reason and a field, and how many events of the last 30 days failed so and were not replayed and "
        "stored since. Says nothing of the events themselves.",
        f"""SELECT
  stage, reason, field, COUNT(*) AS events, MIN(failed_at) AS first_at, MAX(failed_at) AS last_at
FROM `{{dataset}}{Dataset.FAILED}.{FAILED_VIEW}`
WHERE
  received_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 30 DAY)
  AND COALESCE(replay_outcome, '') != 'stored'
GROUP BY stage, reason, field""",  # noqa: S608 - names from our own list
    )


def as_it_is(table: WarehouseTable) -> View:
    """A table in which everything is there once already."""
    place = table.table
    return View(
        place.name,
        Dataset.VIEWS,
        table.description,
        f"SELECT * FROM `{{dataset}}{place.dataset}.{place.name}`",  # noqa: S608 - names from our own list
    )


def freshness() -> View:
    """How fresh the raw tables are."""
    selects = "\nUNION ALL\n".join(
        f"""SELECT
  '{event_type}' AS event_type, COUNT(*) AS row_count, MAX(occurred_at) AS last_occurred_at,
  MAX(received_at) AS last_received_at, MAX(ingested_at) AS last_ingested_at,
  APPROX_QUANTILES(TIMESTAMP_DIFF(ingested_at, received_at, MILLISECOND), 100)[OFFSET(50)] AS median_ms,
  APPROX_QUANTILES(TIMESTAMP_DIFF(ingested_at, received_at, MILLISECOND), 100)[OFFSET(99)] AS p99_ms
FROM `{{dataset}}{table.table.dataset}.{table.table.name}`
WHERE received_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)"""  # noqa: S608 - names from our own list
        for event_type, table in RAW_TABLES.items()
    )
    return View(
        FRESHNESS_VIEW,
        Dataset.VIEWS,
        "An event type, and how fresh its raw table is: rows of the last 24 hours, the latest times among them, and "
        "how long they took from Pub/Sub to the pipeline's end, in milliseconds.",
        selects,
    )
