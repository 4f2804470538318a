"""Fresh datasets, topic and subscription for each test that asks."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from zlib import crc32

import pytest
import redis
import requests
from google.cloud import bigquery

from deploy.local.stack import LocalStack, beside_python
from deploy.local.topics import create_topics
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import CloudSettings, read_settings
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id
from tests.integration.servers import REDIS_SERVER, running, start_redis
from tests.integration.wire import free_port


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


def drop_datasets(client: bigquery.Client, settings: CloudSettings) -> None:
    """The emulator slows down with every table it holds."""
    for dataset in Dataset:
        name = dataset_id(settings, dataset)
        client.delete_dataset(name, delete_contents=True, not_found_ok=True, timeout=60, retry=None)


@pytest.fixture
def warehouse(stack: LocalStack, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """Datasets, tables, views, topic and subscription that no other test sees."""
    with made_warehouse(stack, own_name(request)) as made:
        yield made


@contextmanager
def made_warehouse(stack: LocalStack, name: str) -> Iterator[Warehouse]:
    """Datasets, tables, views, topic and subscription of this name, gone afterwards."""
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
    drop_datasets(client, settings)
    client.close()


def _missing(reason: str) -> None:
    if "CI" in os.environ:
        pytest.fail(f"{reason}; in CI it is not optional")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A redis-server of our own, else the one REDIS_URL names."""
    if shutil.which(REDIS_SERVER):
        port = free_port()
        with start_redis(port):
            yield f"redis://127.0.0.1:{port}/0"
    elif os.environ.get("REDIS_URL"):
        yield os.environ["REDIS_URL"]
    else:
        _missing("needs Debian's redis-server (apt-get install redis-server) or REDIS_URL")


@pytest.fixture
def own_redis() -> Iterator[redis.Redis]:
    """A redis-server of the test's own, empty, which it may fill, slow down and empty."""
    if not shutil.which(REDIS_SERVER):
        _missing("needs Debian's redis-server (apt-get install redis-server)")
    port = free_port()
    with start_redis(port), redis.Redis(port=port) as client:
        yield client


def address_of(server: redis.Redis) -> str:
    """The REDIS_URL of a server of a test's own."""
    return f"redis://127.0.0.1:{server.connection_pool.connection_kwargs['port']}/0"


@pytest.fixture(scope="session")
def storage_address() -> Iterator[str]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(address, timeout=5).ok
        except requests.ConnectionError:
            return False

    command = [sys.executable, str(beside_python("gcp-storage-emulator")), "start", "--host", "127.0.0.1"]
    with running([*command, "--port", str(port), "--in-memory", "--quiet"], answers):
        yield address
