"""A shop whose tables hold something for every page, the console over it, and Debian's Chromium."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from deploy.local.stack import LocalStack, beside_python
from shopstream.ml_features.api.keys import new_key
from shopstream.ml_features.warehouse import load_rows
from shopstream.schemas.lookup import ApiRole
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import ALL_TABLES, WarehouseTable, dataset_id
from tests.integration.wire import Wire

from ..conftest import Warehouse, made_warehouse
from .shop import AS_OF, Row, rows_of_the_shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEYS: dict[ApiRole, tuple[str, str]] = {}
for _role in ("read", "admin"):
    _text, _key = new_key(_role, _role, None, Random(_role))
    KEYS[_role] = (_text, _key.line())
TABLES: Mapping[str, WarehouseTable] = {
    table.table.name: table for table in ALL_TABLES if table.table.dataset != Dataset.STABLE
}
_CHROMIUM = ("chromium", "chromium-browser")


def give(warehouse: Warehouse, rows: Mapping[str, Iterable[Row]]) -> None:
    """Put rows into tables, by name."""
    for name, some in rows.items():
        place = f"{dataset_id(warehouse.settings, TABLES[name].table.dataset)}.{name}"
        load_rows(warehouse.client, warehouse.client.get_table(place), list(some))


@dataclass
class Served:
    """A running console."""

    address: str
    warehouse: Warehouse
    wire: Wire
    """Between it and its warehouse."""
    keys: Path

    def ask(self, path: str, role: ApiRole | None = "read", method: str = "GET", **more: Any) -> httpx.Response:
        """A page as a browser that is signed in gets it, with all its figures."""
        headers = {"Sec-Fetch-Site": "same-origin", **more.pop("headers", {})}
        if role is not None:
            headers["Cookie"] = f"shopstream_console={KEYS[role][0]}"
        for _ in range(200):
            answer = httpx.request(method, f"{self.address}/console{path}", headers=headers, timeout=60, **more)
            if "data-pending" not in answer.text:
                return answer
        raise AssertionError(f"{path} stays without its figures")


@contextmanager
def served(warehouse: Warehouse, folder: Path, **variables: str) -> Iterator[Served]:
    """The console over a warehouse, as a process."""
    keys = folder / "keys"
    keys.write_text("\n".join(line for _, line in KEYS.values()) + "\n")
    wire = Wire("127.0.0.1", int(warehouse.environment["BIGQUERY_EMULATOR_HOST"].rpartition(":")[2]))
    environment = {
        **os.environ,
        **warehouse.environment,
        "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{wire.port}",
        "SERVING_API_KEYS_FILE": str(keys),
        "SERVING_API_PORT": "0",
        **variables,
    }
    with (folder / "serve.log").open("wb") as log:
        command = [str(beside_python("shopstream-features")), "serve", "--json"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log)
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            yield Served(address, warehouse, wire, keys)
        finally:
            process.terminate()
            process.wait(60)
            wire.close()


@pytest.fixture(scope="session")
def shop(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The console over a shop that has something for every page."""
    folder = tmp_path_factory.mktemp("console")
    experiments = folder / "experiments.json"
    variants = [{"name": "formula"}, {"name": "model"}]
    compared = {"name": "new-reorders", "salt": "s", "variants": variants, "planned_users": 1000}
    experiments.write_text(json.dumps([compared | {"starts_on": str(AS_OF - timedelta(days=20))}]))
    with made_warehouse(stack, "console") as warehouse:
        give(warehouse, rows_of_the_shop())
        with served(warehouse, folder, SERVING_API_EXPERIMENTS_FILE=str(experiments)) as running:
            yield running


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Debian's Chromium, for one file: while it is there, its driver keeps this thread's event loop."""
    program = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if program is None:
        reason = "needs Debian's chromium (apt-get install chromium)"
        if "CI" in os.environ:
            pytest.fail(f"{reason}; in CI it is not optional")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=options)
        yield running
        running.close()
