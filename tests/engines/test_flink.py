"""The flow, unchanged, on Flink: Beam's job server, two task slots, Python workers as processes of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import LocalStack, beside_python, start_part
from deploy.local.tally import tally, views_repeat_an_event
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import read_settings
from tests.integration.conftest import own_name
from tests.integration.faults.rig import METHODS, events
from tests.integration.wire import await_port, free_port

CLASSPATH = Path(__file__).parents[2] / ".engines/flink.classpath"
EVENTS, FILES = 4_000, 4
_PACKAGES_OPENED = ("java.base/java.util", "java.base/java.lang", "java.base/java.util.concurrent.atomic")


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings that name a job server and a pool of Python workers."""
    if shutil.which("java") is None or not CLASSPATH.exists():
        reason = "Flink needs Java, and its job server from Maven: apt-get install maven, make .engines/flink.classpath"
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("flink")
    ports = [free_port() for _ in range(4)]
    server = [
        "java",
        "-Xmx1g",
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _PACKAGES_OPENED),
        *("-cp", CLASSPATH.read_text().strip(), "org.apache.beam.runners.flink.FlinkJobServerDriver"),
        *("--job-host=127.0.0.1", f"--job-port={ports[0]}", f"--artifact-port={ports[1]}"),
        *(f"--expansion-port={ports[2]}", f"--artifacts-dir={directory}/artifacts", "--flink-master=[local]"),
    ]
    pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={ports[3]}"]
    # The pool starts what PATH calls python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    parts = [
        start_part("flink", server, directory, os.environ),
        start_part("workers", pool, directory, {**os.environ, "PATH": path}),
    ]
    try:
        await_port(ports[0])
        await_port(ports[3])
        yield {
            "BEAM_JOB_ENDPOINT": f"127.0.0.1:{ports[0]}",
            "BEAM_WORKER_POOL": f"127.0.0.1:{ports[3]}",
            "BEAM_PARALLELISM": "2",
        }
    finally:
        for part in parts:
            part.stop()


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
def test_a_backfill_on_two_task_slots_stores_every_event_once(
    method: str, flink: dict[str, str], stack: LocalStack, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = {**stack.environment, "BIGQUERY_DATASET": own_name(request), "BIGQUERY_WRITE_METHOD": method, **flink}
    settings = read_settings(PipelineSettings, environment)
    client = connect(settings)
    apply_tables(client, settings)
    lines = [json.dumps(event).encode() for event in events(EVENTS)]
    lines[7] = b"no event"
    for number in range(FILES):
        (tmp_path / f"{number}.ndjson").write_bytes(b"\n".join(lines[number::FILES]) + b"\n")
    backfill = [str(beside_python("shopstream-pipeline")), "backfill", str(tmp_path / "*.ndjson"), "--json"]
    done = subprocess.run(
        backfill, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    assert (counts["events_stored"], counts["events_failed"]) == (EVENTS - 1, 1)
    found = tally(client, settings)
    assert sum(found.stored.values()) == EVENTS - 1
    assert dict(found.failed) == {"malformed_json": 1}
    assert views_repeat_an_event(client, settings) == []
    client.close()
