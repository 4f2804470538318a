"""Every table and view there is, derived from the models that carry them."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from .bigquery_schema import Column, columns_of, contract_hash
from .environment import CloudSettings
from .events import EVENT_TYPES, LEDGER_ENTRY
from .failure import FailedEvent
from .features import FEATURE_TABLES
from .replay import Replay
from .table import Dataset, Table

CONTRACT_LABEL = "contract"
"""The label of a table that names the columns it was made from."""


@dataclass(frozen=True)
class WarehouseTable:
    """A table with its columns and its meaning."""

    table: Table
    columns: tuple[Column, ...]
    description: str
    """What one row is."""

    @cached_property
    def contract(self) -> str:
        """The value of the table's `contract` label."""
        return contract_hash(self.columns)

    def __str__(self) -> str:
        return self.table.name


RAW_TABLES: dict[str, WarehouseTable] = {
    event_type: WarehouseTable(model.table, tuple(columns_of(model, model.arrival)), (model.__doc__ or "").strip())
    for event_type, model in EVENT_TYPES.items()
}
"""The raw table of each event type."""

STABLE_TABLES: dict[str, WarehouseTable] = {
    event_type: replace(table, table=replace(table.table, dataset=Dataset.STABLE))
    for event_type, table in RAW_TABLES.items()
}
"""For each event type the table of its closed days."""

FAILED_TABLE = WarehouseTable(FailedEvent.table, tuple(columns_of(FailedEvent)), (FailedEvent.__doc__ or "").strip())

REPLAYS = WarehouseTable(Replay.table, tuple(columns_of(Replay)), (Replay.__doc__ or "").strip())

FEATURES: dict[str, WarehouseTable] = {
    model.table.name: WarehouseTable(model.table, tuple(columns_of(model)), (model.__doc__ or "").strip())
    for model in FEATURE_TABLES
}
"""The feature tables by name."""

ALL_TABLES: tuple[WarehouseTable, ...] = (
    *RAW_TABLES.values(),
    *STABLE_TABLES.values(),
    FAILED_TABLE,
    REPLAYS,
    *FEATURES.values(),
)


@dataclass(frozen=True)
class View:
    """What people query in place of a table that may hold an event twice."""

    name: str
    dataset: Dataset
    description: str
    statement: str
    """Standard SQL; `{dataset}` stands for the setting BIGQUERY_DATASET with its project, `{raw_from}` for a day."""

    def text(self, dataset: str, raw_from: date = date.min) -> str:
        """The statement for project.dataset; raw rows received before raw_from are known to be in the stable tables."""
        return self.statement.format(dataset=dataset, raw_from=raw_from.isoformat())


FIRST_ARRIVED = "PARTITION BY event_id ORDER BY received_at, ingested_at"
"""Of several rows of one event the one that counts is that which arrived first."""


def _event_view(table: WarehouseTable) -> View:
    """What is closed, and of what arrived since each event that is not in there."""
    name = table.table.name
    columns = ", ".join(column["name"] for column in table.columns)
    stable, raw = (f"`{{dataset}}{dataset}.{name}`" for dataset in (Dataset.STABLE, Dataset.RAW))
    return View(
        name,
        Dataset.VIEWS,
        f"{table.description} Each event_id once, whatever was delivered twice.",
        f"""SELECT {columns} FROM {stable}
UNION ALL
SELECT {columns} FROM {raw}
WHERE received_at >= '{{raw_from}}' AND event_id NOT IN (SELECT event_id FROM {stable})
QUALIFY ROW_NUMBER() OVER ({FIRST_ARRIVED}) = 1""",  # noqa: S608 - names from our own list
    )


def _failed_view() -> View:
    failed, replays = (f"`{{dataset}}{table.table.dataset}.{table.table.name}`" for table in (FAILED_TABLE, REPLAYS))
    return View(
        FAILED_VIEW,
        Dataset.FAILED,
        f"{FAILED_TABLE.description} Each event_id once, with when it was last replayed and what came of it.",
        f"""SELECT failures.*, replays.replayed_at, replays.outcome AS replay_outcome
FROM (
  SELECT * FROM {failed} WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY received_at, failed_at) = 1
) AS failures
LEFT JOIN (
  SELECT event_id, replayed_at, outcome FROM {replays} WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY replayed_at DESC) = 1
) AS replays ON replays.event_id = failures.event_id""",  # noqa: S608 - names from our own list
    )


def _as_it_is(table: WarehouseTable) -> View:
    place = table.table
    return View(
        place.name,
        Dataset.VIEWS,
        table.description,
        f"SELECT * FROM `{{dataset}}{place.dataset}.{place.name}`",  # noqa: S608 - names from our own list
    )


# Every type of event but the ledger's own, which have no number.
_NUMBERS = "\n  UNION ALL ".join(
    f"SELECT writer_id, sequence, {fate} AS is_stored FROM `{{dataset}}{place.dataset}.{place.name}`"  # noqa: S608
    for place, fate in (
        *((table.table, "TRUE") for name, table in RAW_TABLES.items() if name != LEDGER_ENTRY),
        (FAILED_TABLE.table, "FALSE"),
    )
)
_FATES = f"""numbers AS (
  {_NUMBERS}
),
fates AS (
  SELECT writer_id, sequence, LOGICAL_OR(is_stored) AS is_stored
  FROM numbers
  WHERE sequence IS NOT NULL
  GROUP BY writer_id, sequence
)"""  # noqa: S608 - names from our own list


def _balance() -> View:
    return View(
        BALANCE_VIEW,
        Dataset.VIEWS,
        "A capture process, a writer, and what became of the numbers it gave: numbered = stored + failed + skipped + "
        "dropped + missing. While it is not closed, what is missing may still come.",
        f"""WITH entries AS (
  SELECT
    writer_id, ANY_VALUE(source) AS source, MIN(began_at) AS first_at, MAX(occurred_at) AS last_at,
    MIN(first_sequence) AS first_sequence, MAX(last_sequence) AS last_sequence, SUM(skipped) AS skipped,
    SUM(dropped) AS dropped, LOGICAL_OR(closing) AS closed
  FROM `{{dataset}}.ledger`
  GROUP BY writer_id
),
{_FATES},
arrived AS (
  SELECT writer_id, MAX(sequence) AS last_sequence, COUNTIF(is_stored) AS stored, COUNTIF(NOT is_stored) AS failed
  FROM fates
  GROUP BY writer_id
),
counted AS (
  SELECT
    entries.writer_id, entries.source, entries.first_at, entries.last_at, entries.closed, entries.skipped,
    entries.dropped, COALESCE(arrived.stored, 0) AS stored, COALESCE(arrived.failed, 0) AS failed,
    GREATEST(COALESCE(entries.last_sequence, 0), COALESCE(arrived.last_sequence, 0))
      - COALESCE(entries.first_sequence, 1) + 1 AS numbered
  FROM entries
  LEFT JOIN arrived ON arrived.writer_id = entries.writer_id
)
SELECT
  writer_id, source, first_at, last_at, numbered, stored, failed, skipped, dropped,
  GREATEST(numbered - stored - failed - skipped - dropped, 0) AS missing, closed
FROM counted""",  # noqa: S608 - names from our own list
    )


def _minutes() -> View:
    return View(
        MINUTES_VIEW,
        Dataset.VIEWS,
        "A source and a minute (UTC) of capture, and what became of the numbers given in it: numbered = stored + "
        "failed + skipped + dropped + in_flight + lost.",
        f"""WITH {_FATES},
entries AS (
  SELECT
    writer_id, source, began_at, last_sequence, skipped,
    -- Who takes over what a killed writer left knows its last number, and that the entry before ended earlier.
    COALESCE(first_sequence, MAX(last_sequence) OVER (
      PARTITION BY writer_id ORDER BY occurred_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) + 1, 1) AS first_sequence
  FROM `{{dataset}}.ledger`
),
given AS (
  SELECT * FROM entries WHERE first_sequence <= last_sequence
),
met AS (
  SELECT
    given.writer_id, given.source, given.began_at, given.skipped,
    given.last_sequence - given.first_sequence + 1 AS numbered,
    COUNTIF(fates.is_stored) AS stored, COUNTIF(NOT fates.is_stored) AS failed
  FROM given
  LEFT JOIN fates
    ON fates.writer_id = given.writer_id
    AND fates.sequence BETWEEN given.first_sequence AND given.last_sequence
  GROUP BY given.writer_id, given.source, given.began_at, given.skipped, given.first_sequence, given.last_sequence
),
judged AS (
  SELECT
    met.source, met.began_at, met.numbered, met.stored, met.failed, met.skipped,
    GREATEST(met.numbered - met.stored - met.failed - met.skipped, 0) AS gap,
    balance.missing, balance.closed
  FROM met
  JOIN `{{dataset}}.{BALANCE_VIEW}` AS balance ON balance.writer_id = met.writer_id
)
SELECT
  source, TIMESTAMP_TRUNC(began_at, MINUTE) AS minute, SUM(numbered) AS numbered, SUM(stored) AS stored,
  SUM(failed) AS failed, SUM(skipped) AS skipped, SUM(IF(missing = 0, gap, 0)) AS dropped,
  SUM(IF(missing > 0 AND NOT closed, gap, 0)) AS in_flight, SUM(IF(missing > 0 AND closed, gap, 0)) AS lost
FROM judged
GROUP BY source, minute""",  # noqa: S608 - names from our own list
    )


def _freshness() -> View:
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


BALANCE_VIEW = "ledger_balance"
FRESHNESS_VIEW = "freshness"
MINUTES_VIEW = "ledger_minutes"
FAILED_VIEW = f"{FAILED_TABLE.table.name}_once"

EVENT_VIEWS: dict[str, View] = {event_type: _event_view(table) for event_type, table in RAW_TABLES.items()}
"""What people query, for each event type."""

ALL_VIEWS: tuple[View, ...] = (
    *EVENT_VIEWS.values(),
    _failed_view(),
    *(_as_it_is(table) for table in FEATURES.values()),
    _balance(),
    _minutes(),
    _freshness(),
)


def dataset_id(settings: CloudSettings, dataset: Dataset) -> str:
    """project.dataset of one of our datasets."""
    return f"{settings.google_cloud_project}.{settings.bigquery_dataset}{dataset}"


def raw_table_id(settings: CloudSettings, event_type: str) -> str:
    """project.dataset.table of an event type's raw table."""
    return f"{dataset_id(settings, Dataset.RAW)}.{RAW_TABLES[event_type].table.name}"


def stable_table_id(settings: CloudSettings, event_type: str) -> str:
    """project.dataset.table of an event type's stable table."""
    return f"{dataset_id(settings, Dataset.STABLE)}.{STABLE_TABLES[event_type].table.name}"


def failed_table_id(settings: CloudSettings) -> str:
    """project.dataset.table of the failed events."""
    return f"{dataset_id(settings, Dataset.FAILED)}.{FAILED_TABLE.table.name}"
