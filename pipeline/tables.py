"""Makes the datasets, tables and views of the contract, and says where the warehouse differs from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from google.cloud import bigquery
from google.cloud.exceptions import NotFound

from shopstream.schemas import ALL_TABLES, ALL_VIEWS, CloudSettings
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import (
    CONTRACT_LABEL,
    View,
    WarehouseTable,
    dataset_id,
)

from .warehouse import REQUEST_SECONDS, unavailable_when_down

_MILLISECONDS_A_DAY = 86_400_000

State = Literal["created", "present", "missing", "differs"]


@dataclass(frozen=True)
class TableState:
    """How one table or view of the warehouse stands to the contract."""

    name: str
    state: State


def create_tables(client: bigquery.Client, settings: CloudSettings) -> list[TableState]:
    """Make what is missing; leave what is there as it is. Running twice changes nothing.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    with unavailable_when_down("the tables"):
        for dataset in Dataset:
            resource = bigquery.Dataset(dataset_id(settings, dataset))
            resource.location = settings.bigquery_location
            client.create_dataset(resource, exists_ok=True, timeout=REQUEST_SECONDS, retry=None)
    # Outside the translation above: a table that is missing is an answer here, not a failure.
    states = list(check_tables(client, settings))
    resources = _resources(settings)
    with unavailable_when_down("the tables"):
        return [_create(client, state, resources[state.name]) for state in states]


def check_tables(client: bigquery.Client, settings: CloudSettings) -> Iterator[TableState]:
    """Every table and view of the contract with its state in the warehouse."""
    for table in ALL_TABLES:
        place = f"{dataset_id(settings, table.table.dataset)}.{table.table.name}"
        yield TableState(place, _state(client, place, table))
    for view in ALL_VIEWS:
        place = f"{dataset_id(settings, view.dataset)}.{view.name}"
        yield TableState(place, _state(client, place, None))


def _state(client: bigquery.Client, place: str, table: WarehouseTable | None) -> State:
    try:
        found = client.get_table(place, timeout=REQUEST_SECONDS, retry=None)
    except NotFound:
        return "missing"
    if table is not None and found.labels.get(CONTRACT_LABEL) != table.contract:
        return "differs"
    return "present"


def _create(client: bigquery.Client, state: TableState, resource: bigquery.Table) -> TableState:
    if state.state != "missing":
        return state
    client.create_table(resource, timeout=REQUEST_SECONDS, retry=None)
    return TableState(state.name, "created")


def _resources(settings: CloudSettings) -> dict[str, bigquery.Table]:
    tables = [_table_resource(settings, table) for table in ALL_TABLES]
    views = [_view_resource(settings, view) for view in ALL_VIEWS]
    return {str(resource): resource for resource in (*tables, *views)}


def _table_resource(settings: CloudSettings, table: WarehouseTable) -> bigquery.Table:
    place = table.table
    resource = bigquery.Table(
        f"{dataset_id(settings, place.dataset)}.{place.name}",
        schema=[bigquery.SchemaField.from_api_repr(column) for column in table.columns],
    )
    resource.time_partitioning = bigquery.TimePartitioning(
        type_=bigquery.TimePartitioningType.DAY,
        field=place.partition_by,
        expiration_ms=place.expiry_days * _MILLISECONDS_A_DAY if place.expiry_days else None,
    )
    resource.clustering_fields = list(place.cluster_by) or None
    resource.description = table.description
    resource.labels = {CONTRACT_LABEL: table.contract}
    return resource


def _view_resource(settings: CloudSettings, view: View) -> bigquery.Table:
    resource = bigquery.Table(f"{dataset_id(settings, view.dataset)}.{view.name}")
    resource.view_query = view.text(dataset_id(settings, Dataset.VIEWS))
    resource.description = view.description
    return resource
