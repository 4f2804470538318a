"""Fresh datasets, topic and subscription for each test that asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zlib import crc32

import pytest
from google.cloud import bigquery

from deploy.local.stack import LocalStack
from deploy.local.topics import create_topics
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import read_settings


@dataclass(frozen=True)
class Warehouse:
    """A BigQuery client with datasets of this test's own."""

    client: bigquery.Client
    settings: PipelineSettings
    environment: Mapping[str, str]

    def rows(self, statement: str) -> list[dict[str, object]]:
        """The rows of a query; `{views}`, `{raw}`, `{failed}` and `{features}` stand for the datasets."""
        name = f"{self.settings.google_cloud_project}.{self.settings.bigquery_dataset}"
        text = statement.format(views=name, raw=f"{name}_raw", failed=f"{name}_failed", features=f"{name}_features")
        return [dict(row) for row in self.client.query(text, timeout=60, retry=None).result(timeout=60)]

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(str(self.rows(f"SELECT COUNT(*) AS n FROM `{table}`")[0]["n"]))  # noqa: S608 - a test's own words


def own_name(node: pytest.FixtureRequest) -> str:
    """A dataset name of this test's own."""
    test = node.node.nodeid
    readable = "".join(c if c.isalnum() else "_" for c in test.split("::", 1)[1])[:48].strip("_")
    return f"t_{readable}_{crc32(test.encode()):08x}"


@pytest.fixture
def warehouse(stack: LocalStack, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """Datasets, tables, views, topic and subscription that no other test sees."""
    name = own_name(request)
    environment = {
        **stack.environment,
        "BIGQUERY_DATASET": name,
        "PUBSUB_TOPIC": name,
        "PUBSUB_SUBSCRIPTION": f"{name}-pipeline",
    }
    settings = read_settings(PipelineSettings, environment)
    client = connect(settings)
    apply_tables(client, settings)
    create_topics(settings)
    yield Warehouse(client, settings, environment)
    client.close()
