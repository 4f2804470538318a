"""`shopstream-features serve` and its keys as a person runs them: processes, a file of keys, an address, SIGTERM."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from deploy.local.stack import beside_python
from shopstream.ml_features.audit import entries
from shopstream.ml_features.settings import FeatureSettings
from tests.integration.commands import run_command
from tests.integration.wire import Wire

if TYPE_CHECKING:
    from ..conftest import Warehouse

COMMAND = str(beside_python("shopstream-features"))


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_command("shopstream-features", *arguments, environment={**os.environ, **variables})


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def wire(warehouse: "Warehouse") -> Iterator[Wire]:
    address = warehouse.environment["BIGQUERY_EMULATOR_HOST"].removeprefix("http://")
    made = Wire("127.0.0.1", int(address.partition(":")[2]))
    yield made
    made.close()


def test_it_serves_rotates_revokes_and_stops_without_losing_a_look_up(
    warehouse: "Warehouse", settings: FeatureSettings, keys: Path, wire: Wire
) -> None:
    made = json.loads(run("key", "new", "shop", "--role", "application", "--json").stdout)
    keys.write_text(made["line"] + "\n")
    variables = {
        **warehouse.environment,
        "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{wire.port}",
        "SERVING_API_KEYS_FILE": str(keys),
        "SERVING_API_PORT": "0",
        "SERVING_CACHE_SECONDS": "0",
    }
    with subprocess.Popen(
        [COMMAND, "serve", "--json"],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]

        def status(key: str) -> int:
            return httpx.get(f"{address}/v1/users/u1/profile", headers={"X-Api-Key": key}, timeout=30).status_code

        assert status(made["key"]) == 404
        rotated = json.loads(run("key", "rotate", "shop", "--file", str(keys), "--json").stdout)
        wait_for(lambda: status(rotated["key"]) == 404)
        assert status(made["key"]) == 404
        assert json.loads(run("key", "revoke", "shop", "--file", str(keys), "--json").stdout)["revoked"] == 2
        keys.write_text(made["line"] + "\n")
        wait_for(lambda: status(rotated["key"]) == 401)

        waiting = 'shopstream_api_rows_waiting{table="lookups"} 0.0'
        wait_for(lambda: waiting in httpx.get(f"{address}/metrics", timeout=30).text)
        wire.set("slow", delay_seconds=1.0)
        answered: list[int] = []
        under_way = threading.Thread(target=lambda: answered.append(status(made["key"])))
        under_way.start()
        assert wire.holds_back.wait(30)
        process.send_signal(signal.SIGTERM)
        under_way.join()
        wire.set("open")
        _, errors = process.communicate(timeout=60)
    assert (answered, process.returncode) == ([404], 0), errors
    found = entries(warehouse.client, settings, datetime.now(UTC) - timedelta(hours=1), user_id="u1")
    assert len(found) >= 4
    assert {each.key_name for each in found} == {"shop"}
    assert "u1" not in errors
    listed = run("audit", "u1", **warehouse.environment)
    assert listed.stdout.count("/v1/users/{user_id}/profile") == len(found)


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_cannot_be_served_is_a_sentence_and_an_exit_status(keys: Path, tmp_path: Path) -> None:
    cloud = {"GOOGLE_CLOUD_PROJECT": "shopstream-local", "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1"}
    line = json.loads(run("key", "new", "shop", "--json").stdout)["line"]
    keys.write_text(line)
    told = [
        run("serve", **cloud),
        run("serve", **cloud, SERVING_API_KEYS="shop:read"),
        run("serve", **cloud, SERVING_API_KEYS=line, SERVING_API_PROT="1"),
        run("serve", **cloud, SERVING_API_KEYS=line, SERVING_API_HOST="192.0.2.1"),
        run("key", "new", "a b"),
        run("key", "revoke", "nobody", "--file", str(keys)),
        run("key", "list", "--file", str(tmp_path / "none")),
    ]
    words = [
        "no key is set",
        "a key is name:role:sha256",
        "Did you mean SERVING_API_PORT?",
        "cannot listen on SERVING_API_HOST=192.0.2.1",
        "the new key: a key is",
        "no key is named nobody",
        "cannot be read: FileNotFoundError",
    ]
    for done, word in zip(told, words, strict=True):
        assert (done.returncode, word in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
