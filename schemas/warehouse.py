"""Every table there is, derived from the models that carry them."""

from dataclasses import dataclass, replace
from functools import cached_property

from .alert import AlertStep
from .bigquery_schema import Column, columns_of, contract_hash
from .cost_estimate import CostEstimate
from .decision import Decision
from .environment import CloudSettings
from .erasure import ErasedNumber, Erasure
from .events import EVENT_TYPES
from .failure import FailedEvent
from .features import FEATURE_TABLES
from .instruction import Instruction, InstructionOutcome
from .live.hidden_products import HiddenProducts
from .live.live_reorders import LiveReorders
from .live.live_session import LiveSession
from .lookup import Lookup
from .quality_result import QualityResult
from .replay import Replay
from .table import Dataset, Table
from .written_insight import WrittenInsight

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

ERASURES = WarehouseTable(Erasure.table, tuple(columns_of(Erasure)), (Erasure.__doc__ or "").strip())

ERASED_NUMBERS = WarehouseTable(
    ErasedNumber.table, tuple(columns_of(ErasedNumber)), (ErasedNumber.__doc__ or "").strip()
)

QUALITY_RESULTS = WarehouseTable(
    QualityResult.table, tuple(columns_of(QualityResult)), (QualityResult.__doc__ or "").strip()
)

ALERTS = WarehouseTable(AlertStep.table, tuple(columns_of(AlertStep)), (AlertStep.__doc__ or "").strip())

COST_ESTIMATES = WarehouseTable(
    CostEstimate.table, tuple(columns_of(CostEstimate)), (CostEstimate.__doc__ or "").strip()
)

FEATURES: dict[str, WarehouseTable] = {
    model.table.name: WarehouseTable(model.table, tuple(columns_of(model)), (model.__doc__ or "").strip())
    for model in FEATURE_TABLES
}
"""The feature tables by name."""

LIVE_REORDERS = WarehouseTable(
    LiveReorders.table, tuple(columns_of(LiveReorders)), (LiveReorders.__doc__ or "").strip()
)

LIVE_SESSIONS = WarehouseTable(LiveSession.table, tuple(columns_of(LiveSession)), (LiveSession.__doc__ or "").strip())

DECISIONS = WarehouseTable(Decision.table, tuple(columns_of(Decision)), (Decision.__doc__ or "").strip())

WRITTEN_INSIGHTS = WarehouseTable(
    WrittenInsight.table, tuple(columns_of(WrittenInsight)), (WrittenInsight.__doc__ or "").strip()
)

LOOKUPS = WarehouseTable(Lookup.table, tuple(columns_of(Lookup)), (Lookup.__doc__ or "").strip())

INSTRUCTIONS = WarehouseTable(Instruction.table, tuple(columns_of(Instruction)), (Instruction.__doc__ or "").strip())

INSTRUCTION_OUTCOMES = WarehouseTable(
    InstructionOutcome.table, tuple(columns_of(InstructionOutcome)), (InstructionOutcome.__doc__ or "").strip()
)

HIDDEN_PRODUCTS = WarehouseTable(
    HiddenProducts.table, tuple(columns_of(HiddenProducts)), (HiddenProducts.__doc__ or "").strip()
)

ALL_TABLES: tuple[WarehouseTable, ...] = (
    *RAW_TABLES.values(),
    *STABLE_TABLES.values(),
    FAILED_TABLE,
    REPLAYS,
    ERASURES,
    ERASED_NUMBERS,
    QUALITY_RESULTS,
    ALERTS,
    COST_ESTIMATES,
    *FEATURES.values(),
    LIVE_REORDERS,
    LIVE_SESSIONS,
    DECISIONS,
    WRITTEN_INSIGHTS,
    LOOKUPS,
    INSTRUCTIONS,
    INSTRUCTION_OUTCOMES,
    HIDDEN_PRODUCTS,
)
"""Every table of the warehouse."""


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
