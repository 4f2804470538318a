"""What a table is beside its columns: where it lives, how it is laid out, how long a row stays, whom it is about."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

Purpose = Literal["analytics", "personalization"]
"""What a shopper can allow data to be used for."""
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


class Dataset(StrEnum):
    """The datasets, by who may read them. The name in BigQuery is the setting BIGQUERY_DATASET plus the suffix."""

    VIEWS = ""
    """What people query: views in which every event_id appears once."""
    RAW = "_raw"
    """Events as they were streamed in; duplicates possible. Read by views and jobs only."""
    STABLE = "_stable"
    """Events of closed days, each once. Read by views and jobs only."""
    FAILED = "_failed"
    """Failed events with their original bytes: personal data with few readers."""
    FEATURES = "_features"
    """What feature jobs compute of people."""
    AGGREGATES = "_aggregates"
    """What feature jobs compute that is about nobody."""
    OPS = "_ops"
    """How the pipeline itself is doing."""
    PRIVACY = "_privacy"
    """Who allowed what, and who asked to be erased. Read by jobs and by those who answer for privacy."""


@dataclass(frozen=True)
class Table:
    """One table's place and layout. Its columns come from the model that carries it."""

    name: str
    dataset: Dataset
    partition_by: str
    """A TIMESTAMP or DATE column; the table has one partition a day of it."""
    expiry_days: int | None
    """A partition is deleted this many days after its day; None keeps it."""
    cluster_by: tuple[str, ...] = ()
    erase_by: str | None = None
    """The column by which a person's rows are found when that person is erased."""
    erasure_exempt: str | None = None
    """Why a table that has a user_id column is not erased."""
    purpose: Purpose | None = None
    """The use its rows about people are for: who does not allow it has none, in any partition, after the next run."""
    days_per_run: int = 1
    """So many days up to as_of a job computes: with those before it what came late is caught up with."""
    published_once: bool = False
    """A partition that has rows is never computed again, so that no two versions of it can be compared."""
