"""Tables as code: what of the contract the warehouse lacks, and making it so where nothing is lost by it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from google.cloud import bigquery
from google.cloud.exceptions import NotFound

from shopstream.schemas import ALL_TABLES, ALL_VIEWS, CloudSettings
from shopstream.schemas.table import Dataset
from shopstream.schemas.views import View
from shopstream.schemas.warehouse import CONTRACT_LABEL, WarehouseTable, dataset_id

from .table_changes import MILLISECONDS_A_DAY, SQL_TYPES, Comparison, Difference, Refused, compare
from .warehouse import REQUEST_SECONDS, ask, unavailable_when_down

Action = Literal["keep", "create", "change", "refuse", "ignore"]


@dataclass(frozen=True)
class Step:
    """What is to be done with one table or view."""

    name: str
    """project.dataset.table."""
    action: Action
    """`refuse` where something of it cannot be made; `ignore` for what is there and not in the contract."""
    differences: tuple[Difference, ...] = ()
    of: WarehouseTable | View | None = None
    comparison: Comparison | None = None

    @property
    def is_as_it_should_be(self) -> bool:
        """Whether there is nothing to do."""
        return self.action in ("keep", "ignore")


def plan_tables(client: bigquery.Client, settings: CloudSettings) -> list[Step]:
    """Every table and view of the contract, and what must be done for the warehouse to have it; changes nothing.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    present = {dataset: _present(client, settings, dataset) for dataset in Dataset}
    # One question a table that is there; what is missing is known from the lists.
    steps = [_table_step(client, settings, table, present[table.table.dataset]) for table in ALL_TABLES]
    steps += [_view_step(client, settings, view, present[view.dataset]) for view in ALL_VIEWS]
    known = {step.name for step in steps}
    for dataset, names in present.items():
        places = (f"{dataset_id(settings, dataset)}.{name}" for name in sorted(names))
        steps += [Step(place, "ignore") for place in places if place not in known]
    return steps


def apply_tables(client: bigquery.Client, settings: CloudSettings) -> list[Step]:
    """Make the warehouse as the contract has it; what was done. Running twice changes nothing.

    Interrupted, what was made stays made, and running again makes the rest.

    Raises:
        Refused: Something cannot be made; then nothing is.
        Unavailable: BigQuery does not answer.
    """
    with unavailable_when_down("the datasets"):
        for dataset in Dataset:
            resource = bigquery.Dataset(dataset_id(settings, dataset))
            resource.location = settings.bigquery_location
            client.create_dataset(resource, exists_ok=True, timeout=REQUEST_SECONDS, retry=None)
    steps = plan_tables(client, settings)
    if refusals := [(step, each) for step in steps for each in step.differences if each.refused is not None]:
        raise Refused(
            "nothing was changed, for not everything can be:\n"
            + "\n".join(f"  {step.name}: {each.what}; {each.refused}" for step, each in refusals)
        )
    with unavailable_when_down("the tables"):
        for step in steps:
            if isinstance(step.of, WarehouseTable):
                _make_table(client, step, step.of)
            elif isinstance(step.of, View):
                _make_view(client, settings, step, step.of)
    return steps


def _present(client: bigquery.Client, settings: CloudSettings, dataset: Dataset) -> set[str]:
    name = dataset_id(settings, dataset)
    with unavailable_when_down(name):
        try:
            found = list(client.list_tables(name, timeout=REQUEST_SECONDS, retry=None))
        except NotFound:
            return set()
    return {str(item.table_id) for item in found}


def _get(client: bigquery.Client, name: str) -> bigquery.Table:
    with unavailable_when_down(name):
        return client.get_table(name, timeout=REQUEST_SECONDS, retry=None)


def _table_step(client: bigquery.Client, settings: CloudSettings, table: WarehouseTable, present: set[str]) -> Step:
    name = f"{dataset_id(settings, table.table.dataset)}.{table.table.name}"
    if table.table.name not in present:
        return Step(name, "create", of=table)
    comparison = compare(_get(client, name).to_api_repr(), table)
    if not comparison.differences:
        return Step(name, "keep", of=table)
    action: Action = "refuse" if comparison.refusals else "change"
    return Step(name, action, comparison.differences, table, comparison)


def _view_step(client: bigquery.Client, settings: CloudSettings, view: View, present: set[str]) -> Step:
    name = f"{dataset_id(settings, view.dataset)}.{view.name}"
    if view.name not in present:
        return Step(name, "create", of=view)
    # Not by its text: close-days writes a day into it, and the emulator does not tell it.
    if _get(client, name).labels.get(CONTRACT_LABEL) == view.contract(settings):
        return Step(name, "keep", of=view)
    return Step(name, "change", (Difference("it is written anew"),), view)


def _make_table(client: bigquery.Client, step: Step, table: WarehouseTable) -> None:
    if step.action == "create":
        resource = _table_resource(step.name, table, table.columns)
        client.create_table(resource, timeout=REQUEST_SECONDS, retry=None)
    elif step.comparison is not None:
        for column, kind in step.comparison.widened.items():
            ask(client, f"ALTER TABLE `{step.name}` ALTER COLUMN {column} SET DATA TYPE {SQL_TYPES[kind]}", step.name)
        resource = _table_resource(step.name, table, step.comparison.columns)
        fields = ["schema", "description", "labels", "clustering_fields", "time_partitioning"]
        client.update_table(resource, fields, timeout=REQUEST_SECONDS, retry=None)


def _make_view(client: bigquery.Client, settings: CloudSettings, step: Step, view: View) -> None:
    resource = bigquery.Table(step.name)
    resource.view_query = view.text(settings)
    resource.description = view.description
    resource.labels = {CONTRACT_LABEL: view.contract(settings)}
    if step.action == "create":
        client.create_table(resource, timeout=REQUEST_SECONDS, retry=None)
    elif step.action == "change":
        client.update_table(resource, ["view_query", "description", "labels"], timeout=REQUEST_SECONDS, retry=None)


def _table_resource(name: str, table: WarehouseTable, columns: Sequence[dict[str, object]]) -> bigquery.Table:
    place = table.table
    resource = bigquery.Table(name, schema=[bigquery.SchemaField.from_api_repr(column) for column in columns])
    resource.time_partitioning = bigquery.TimePartitioning(
        type_=bigquery.TimePartitioningType.DAY,
        field=place.partition_by,
        expiration_ms=place.expiry_days * MILLISECONDS_A_DAY if place.expiry_days else None,
    )
    resource.clustering_fields = list(place.cluster_by) or None
    resource.description = table.description
    resource.labels = {CONTRACT_LABEL: table.contract}
    return resource


def step_lines(steps: Sequence[Step]) -> Iterator[str]:
    """The steps for people: what is not as it should be, each difference a line, and how many are."""
    for step in steps:
        if step.action != "keep":
            yield f"{step.action:7} {step.name}{' (not in the contract)' if step.action == 'ignore' else ''}"
        for each in step.differences:
            yield f"          {each.what}" + (f"; refused: {each.refused}" if each.refused else "")
    kept = sum(step.action == "keep" for step in steps)
    yield f"{kept} of {sum(step.of is not None for step in steps)} tables and views are as the contract has them"
