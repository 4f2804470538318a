"""A warehouse made by any earlier version becomes today's by `tables apply`, with the rows it holds.

earlier/NNNN.ndjson is every table as a version's contract had it, one a line; the newest is today's, and `make golden`
adds it where the contract has changed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from deploy.local.stack import LocalStack
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.table_changes import Refused
from shopstream.pipeline.tables import apply_tables, plan_tables
from shopstream.pipeline.warehouse import ask, connect, insert_rows
from shopstream.schemas import ALL_TABLES, EVENT_TYPES, read_settings
from shopstream.schemas.bigquery_schema import Column
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import CONTRACT_LABEL, RAW_TABLES, dataset_id, raw_table_id
from tests.integration.conftest import drop_datasets, own_name

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
VERSIONS = sorted((HERE / "earlier").glob("*.ndjson"))
OFTEN = {VERSIONS[0], *VERSIONS[-3:]}
"""What `make test` upgrades from; `make test-long` upgrades from the others."""

Table = dict[str, Any]


def bare(column: Column) -> Column:
    """A column without words."""
    kept = {name: value for name, value in column.items() if name != "description"}
    return kept | {"fields": [bare(inner) for inner in column["fields"]]} if "fields" in column else kept


def todays_tables() -> str:
    tables = [
        {
            "dataset": str(table.table.dataset),
            "name": table.table.name,
            "partition_by": table.table.partition_by,
            "expiry_days": table.table.expiry_days,
            "cluster_by": list(table.table.cluster_by),
            "columns": [bare(column) for column in table.columns],
        }
        for table in ALL_TABLES
    ]
    lines = [json.dumps(each, sort_keys=True, separators=(",", ":")) for each in tables]
    return "\n".join(sorted(lines, key=lambda line: (json.loads(line)["dataset"], json.loads(line)["name"]))) + "\n"


def test_the_newest_file_is_todays_contract(request: pytest.FixtureRequest) -> None:
    newest = VERSIONS[-1]
    if request.config.getoption("--rewrite-golden") and newest.read_text() != todays_tables():
        (newest.parent / f"{int(newest.stem) + 1:04}.ndjson").write_text(todays_tables())
        return
    assert newest.read_text() == todays_tables(), "the contract has changed: run `make golden`"


def read(version: Path) -> list[Table]:
    return [json.loads(line) for line in version.read_text().splitlines()]


@pytest.fixture
def settings(stack: LocalStack, request: pytest.FixtureRequest) -> PipelineSettings:
    return read_settings(PipelineSettings, {**stack.environment, "BIGQUERY_DATASET": own_name(request)})


@pytest.fixture
def client(settings: PipelineSettings) -> Iterator[bigquery.Client]:
    connected = connect(settings)
    yield connected
    drop_datasets(connected, settings)
    connected.close()


def make(client: bigquery.Client, settings: PipelineSettings, tables: list[Table]) -> None:
    """The warehouse as that version made it."""
    for dataset in {table["dataset"] for table in tables}:
        client.create_dataset(f"{dataset_id(settings, Dataset(dataset))}")
    for table in tables:
        place = f"{dataset_id(settings, Dataset(table['dataset']))}.{table['name']}"
        resource = bigquery.Table(place, [bigquery.SchemaField.from_api_repr(column) for column in table["columns"]])
        resource.time_partitioning = bigquery.TimePartitioning(
            field=table["partition_by"], expiration_ms=table["expiry_days"] * 86_400_000
        )
        resource.clustering_fields = table["cluster_by"] or None
        resource.labels = {CONTRACT_LABEL: "of-then"}
        client.create_table(resource)


def rows_of(event_type: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / event_type / "rows.ndjson").read_text().splitlines()]


def cut(row: dict[str, Any], columns: list[Column]) -> dict[str, Any]:
    """What of a row the columns have room for."""
    return {
        column["name"]: [cut(part, column["fields"]) for part in row[column["name"]]]
        if column["type"] == "RECORD" and column["mode"] == "REPEATED"
        else row[column["name"]]
        for column in columns
        if column["name"] in row
    }


def insert(client: bigquery.Client, settings: PipelineSettings, event_type: str, rows: list[dict[str, Any]]) -> None:
    table = raw_table_id(settings, event_type)
    documents = [json.dumps(row).encode() for row in rows]
    assert insert_rows(client, table, documents, [row["event_id"] for row in rows]) == []


@pytest.mark.parametrize(
    "version",
    [pytest.param(each, id=each.stem, marks=() if each in OFTEN else pytest.mark.long) for each in VERSIONS],
)
def test_every_earlier_warehouse_becomes_todays_with_its_rows(
    version: Path, client: bigquery.Client, settings: PipelineSettings
) -> None:
    earlier = read(version)
    make(client, settings, earlier)
    then = {table["name"]: table["columns"] for table in earlier if table["dataset"] == Dataset.RAW}
    known = [event_type for event_type in EVENT_TYPES if RAW_TABLES[event_type].table.name in then]
    for event_type in known:
        columns = then[RAW_TABLES[event_type].table.name]
        insert(client, settings, event_type, [cut(row, columns) for row in rows_of(event_type)])

    applied = apply_tables(client, settings)
    assert [step.name for step in applied if step.action in ("refuse", "ignore")] == []
    assert {step.action for step in plan_tables(client, settings)} == {"keep"}

    for event_type in EVENT_TYPES:
        # A row as it is written today beside those of then; the view reads both.
        rows = rows_of(event_type)
        today = [row | {"event_id": f"01a1f640-f3c5-79e9-a5b7-{place:012x}"} for place, row in enumerate(rows)]
        insert(client, settings, event_type, today)
        view = f"{dataset_id(settings, Dataset.VIEWS)}.{RAW_TABLES[event_type].table.name}"
        found = ask(client, f"SELECT event_id FROM `{view}`", view)  # noqa: S608 - our own name
        assert len(found) == len(rows) * (2 if event_type in known else 1), event_type
        (count,) = ask(client, f"SELECT COUNT(*) AS n FROM (SELECT * FROM `{view}`)", view)  # noqa: S608 - as above
        assert count["n"] == len(found)


def test_what_cannot_be_made_is_refused_whole_with_the_way_round(
    client: bigquery.Client, settings: PipelineSettings
) -> None:
    tables = read(VERSIONS[-1])
    for table in tables:
        if table["dataset"] == Dataset.RAW and table["name"] == "orders":
            table["columns"] = [
                *(column for column in table["columns"] if column["name"] not in ("traffic", "imported", "currency")),
                {"name": "coupon", "type": "STRING", "mode": "NULLABLE"},
                {"name": "imported", "type": "STRING", "mode": "NULLABLE"},
                {"name": "currency", "type": "STRING", "mode": "NULLABLE"},
            ]
        if table["dataset"] == Dataset.RAW and table["name"] == "searches":
            table["expiry_days"] = 400
        if table["dataset"] == Dataset.RAW and table["name"] == "products":
            table["partition_by"] = "occurred_at"
    make(client, settings, tables)
    before = plan_tables(client, settings)
    with pytest.raises(Refused) as caught:
        apply_tables(client, settings)
    text = str(caught.value)
    for sentence in (
        "column coupon is not in the contract; deleting a column deletes what it holds",
        "column imported is STRING, in the contract BOOLEAN; STRING cannot become BOOLEAN in place",
        "column currency is NULLABLE, in the contract REQUIRED; rows without a value may be there",
        "rows are kept 90 days instead of 400 days; that deletes what is older",
        "it is partitioned by occurred_at, in the contract by received_at; BigQuery cannot partition a table anew",
    ):
        assert sentence in text
    # Nothing is half done: not the column that could have been added, not one view.
    assert "traffic" not in {column.name for column in client.get_table(raw_table_id(settings, "order")).schema}
    assert [step.action for step in plan_tables(client, settings)] == [step.action for step in before]


def test_what_is_there_and_not_ours_is_named_and_left_alone(
    client: bigquery.Client, settings: PipelineSettings
) -> None:
    apply_tables(client, settings)
    foreign = f"{dataset_id(settings, Dataset.VIEWS)}.somebodys_own"
    client.create_table(bigquery.Table(foreign, [bigquery.SchemaField("a", "STRING")]))
    steps = apply_tables(client, settings)
    assert [(step.name, step.action) for step in steps if step.action != "keep"] == [(foreign, "ignore")]
    assert client.get_table(foreign).schema[0].name == "a"
