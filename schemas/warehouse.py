"""Every table and view there is, derived from the models that carry them."""

from dataclasses import dataclass
from functools import cached_property

from .bigquery_schema import Column, columns_of, contract_hash
from .envelope import Arrival
from .environment import CloudSettings
from .events import EVENT_TYPES
from .failure import FailedEvent
from .features import FEATURE_TABLES
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
    event_type: WarehouseTable(model.table, tuple(columns_of(model, Arrival)), (model.__doc__ or "").strip())
    for event_type, model in EVENT_TYPES.items()
}
"""The raw table of each event type."""

FAILED_TABLE = WarehouseTable(FailedEvent.table, tuple(columns_of(FailedEvent)), (FailedEvent.__doc__ or "").strip())

FEATURES: dict[str, WarehouseTable] = {
    model.table.name: WarehouseTable(model.table, tuple(columns_of(model)), (model.__doc__ or "").strip())
    for model in FEATURE_TABLES
}
"""The feature tables by name."""

ALL_TABLES: tuple[WarehouseTable, ...] = (*RAW_TABLES.values(), FAILED_TABLE, *FEATURES.values())


@dataclass(frozen=True)
class View:
    """What people query in place of a table that may hold an event twice."""

    name: str
    dataset: Dataset
    description: str
    statement: str
    """Standard SQL; `{dataset}` stands for the setting BIGQUERY_DATASET with its project."""


def _once_per_event(table: WarehouseTable, dataset: Dataset, first_by: str) -> View:
    place = table.table
    return View(
        place.name if dataset is not place.dataset else f"{place.name}_once",
        dataset,
        f"{table.description} Each event_id once, whatever was delivered twice.",
        f"SELECT * FROM `{{dataset}}{place.dataset}.{place.name}`\n"  # noqa: S608 - names from our own list
        f"WHERE TRUE\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY {first_by}) = 1",
    )


def _as_it_is(table: WarehouseTable) -> View:
    place = table.table
    return View(
        place.name,
        Dataset.VIEWS,
        table.description,
        f"SELECT * FROM `{{dataset}}{place.dataset}.{place.name}`",  # noqa: S608 - names from our own list
    )


ALL_VIEWS: tuple[View, ...] = (
    *(_once_per_event(table, Dataset.VIEWS, "received_at, ingested_at") for table in RAW_TABLES.values()),
    _once_per_event(FAILED_TABLE, Dataset.FAILED, "received_at, failed_at"),
    *(_as_it_is(table) for table in FEATURES.values()),
)


def dataset_id(settings: CloudSettings, dataset: Dataset) -> str:
    """project.dataset of one of our datasets."""
    return f"{settings.google_cloud_project}.{settings.bigquery_dataset}{dataset}"


def raw_table_id(settings: CloudSettings, event_type: str) -> str:
    """project.dataset.table of an event type's raw table."""
    return f"{dataset_id(settings, Dataset.RAW)}.{RAW_TABLES[event_type].table.name}"


def failed_table_id(settings: CloudSettings) -> str:
    """project.dataset.table of the failed events."""
    return f"{dataset_id(settings, Dataset.FAILED)}.{FAILED_TABLE.table.name}"
