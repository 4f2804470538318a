"""The views that prove nothing is missing: docs/ledger.md."""

from ..events import LEDGER_ENTRY
from ..table import Dataset
from ..warehouse import ERASED_NUMBERS, FAILED_TABLE, RAW_TABLES
from .view import View

BALANCE_VIEW = "ledger_balance"
MINUTES_VIEW = "ledger_minutes"

# Every type of event but the ledger's own, which have no number.
_NUMBERS = "\n  UNION ALL ".join(
    f"SELECT writer_id, sequence, '{fate}' AS fate FROM `{{dataset}}{place.dataset}.{place.name}`"  # noqa: S608
    for place, fate in (
        *((table.table, "stored") for name, table in RAW_TABLES.items() if name != LEDGER_ENTRY),
        (FAILED_TABLE.table, "failed"),
        (ERASED_NUMBERS.table, "erased"),
    )
)
_FATES = f"""numbers AS (
  {_NUMBERS}
),
fates AS (
  -- Stored though it once failed; erased only where it is neither any more.
  SELECT writer_id, sequence, MAX_BY(fate, CASE fate WHEN 'stored' THEN 3 WHEN 'failed' THEN 2 ELSE 1 END) AS fate
  FROM numbers
  WHERE sequence IS NOT NULL
  GROUP BY writer_id, sequence
)"""  # noqa: S608 - names from our own list


def balance() -> View:
    """One row a writer."""
    return View(
        BALANCE_VIEW,
        Dataset.VIEWS,
        "A capture process, a writer, and what became of the numbers it gave: numbered = stored + failed + erased + "
        "skipped + dropped + missing. While it is not closed, what is missing may still come.",
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
  SELECT writer_id, MAX(sequence) AS last_sequence, COUNTIF(fate = 'stored') AS stored,
    COUNTIF(fate = 'failed') AS failed, COUNTIF(fate = 'erased') AS erased
  FROM fates
  GROUP BY writer_id
),
counted AS (
  SELECT
    entries.writer_id, entries.source, entries.first_at, entries.last_at, entries.closed, entries.skipped,
    entries.dropped, COALESCE(arrived.stored, 0) AS stored, COALESCE(arrived.failed, 0) AS failed,
    COALESCE(arrived.erased, 0) AS erased,
    GREATEST(COALESCE(entries.last_sequence, 0), COALESCE(arrived.last_sequence, 0))
      - COALESCE(entries.first_sequence, 1) + 1 AS numbered
  FROM entries
  LEFT JOIN arrived ON arrived.writer_id = entries.writer_id
)
SELECT
  writer_id, source, first_at, last_at, numbered, stored, failed, erased, skipped, dropped,
  GREATEST(numbered - stored - failed - erased - skipped - dropped, 0) AS missing, closed
FROM counted""",  # noqa: S608 - names from our own list
    )


def minutes() -> View:
    """One row a source and minute."""
    return View(
        MINUTES_VIEW,
        Dataset.VIEWS,
        "A source and a minute (UTC) of capture, and what became of the numbers given in it: numbered = stored + "
        "failed + erased + skipped + dropped + in_flight + lost.",
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
    COUNTIF(fates.fate = 'stored') AS stored, COUNTIF(fates.fate = 'failed') AS failed,
    COUNTIF(fates.fate = 'erased') AS erased
  FROM given
  LEFT JOIN fates
    ON fates.writer_id = given.writer_id
    AND fates.sequence BETWEEN given.first_sequence AND given.last_sequence
  GROUP BY given.writer_id, given.source, given.began_at, given.skipped, given.first_sequence, given.last_sequence
),
judged AS (
  SELECT
    met.source, met.began_at, met.numbered, met.stored, met.failed, met.erased, met.skipped,
    GREATEST(met.numbered - met.stored - met.failed - met.erased - met.skipped, 0) AS gap,
    balance.missing, balance.closed
  FROM met
  JOIN `{{dataset}}.{BALANCE_VIEW}` AS balance ON balance.writer_id = met.writer_id
)
SELECT
  source, TIMESTAMP_TRUNC(began_at, MINUTE) AS minute, SUM(numbered) AS numbered, SUM(stored) AS stored,
  SUM(failed) AS failed, SUM(erased) AS erased, SUM(skipped) AS skipped, SUM(IF(missing = 0, gap, 0)) AS dropped,
  SUM(IF(missing > 0 AND NOT closed, gap, 0)) AS in_flight, SUM(IF(missing > 0 AND closed, gap, 0)) AS lost
FROM judged
GROUP BY source, minute""",  # noqa: S608 - names from our own list
    )
