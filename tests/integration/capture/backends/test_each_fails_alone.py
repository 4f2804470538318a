"""All five backends in one process: whichever is dead, the others get everything, and it catches up."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shopstream.capture import Capture, open_capture, search
from shopstream.capture.backends import SWITCHES
from shopstream.capture.inspection import spool_status
from shopstream.schemas.environment import MASK

from .far_ends import PATIENCE_SECONDS, FarEnd, FileEnd

EVENTS = 300


@pytest.fixture
def far_ends(make_far_end: Callable[[str], FarEnd]) -> dict[str, FarEnd]:
    ends = {name: make_far_end(name) for name in SWITCHES}
    for end in ends.values():
        if isinstance(end, FileEnd):
            end.path.mkdir()
    return ends


@pytest.fixture
def environment(far_ends: dict[str, FarEnd], tmp_path: Path) -> dict[str, str]:
    together: dict[str, str] = {}
    for end in far_ends.values():
        together |= end.environment
    return together | {
        "CAPTURE_PUBSUB_ENABLED": "true",
        "GOOGLE_CLOUD_PROJECT": far_ends["bigquery"].environment["GOOGLE_CLOUD_PROJECT"],
        "CAPTURE_SPOOL_DIRECTORY": str(tmp_path / "spool"),
        "CAPTURE_BATCH_SECONDS": "0.05",
        "CAPTURE_STORAGE_BATCH_SECONDS": "0.05",
    }


def track(capture: Capture) -> set[str | None]:
    return {capture.track(search(query_id=f"q-{number}", query="red wine")) for number in range(EVENTS)}


def arrived(end: FarEnd, wanted: set[str | None]) -> set[str]:
    """The event_ids of ours that are there, once all are or patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        there = {end.event_id(value) for value in end.read()} & wanted
        if there == wanted or time.monotonic() > deadline:
            return there
        time.sleep(0.05)


def left(environment: dict[str, str]) -> dict[str, int]:
    """Events each backend has not acknowledged."""
    writers = spool_status(Path(environment["CAPTURE_SPOOL_DIRECTORY"]), tuple(SWITCHES)).writers
    return {name: sum(writer.left[name].events for writer in writers) for name in SWITCHES}


@pytest.mark.parametrize("dead", SWITCHES)
def test_the_others_get_everything_and_the_dead_one_catches_up(
    far_ends: dict[str, FarEnd], environment: dict[str, str], dead: str
) -> None:
    fault = "missing" if dead == "file" else "refused"
    far_ends[dead].begin(fault)
    capture = open_capture(environment)
    tracked = track(capture)
    assert None not in tracked
    for name, end in far_ends.items():
        if name != dead:
            assert arrived(end, tracked) == tracked, name
    assert not capture.drain(0.5)
    assert left(environment) == {name: EVENTS if name == dead else 0 for name in SWITCHES}
    far_ends[dead].end(fault)
    assert capture.close(PATIENCE_SECONDS) == 0
    assert arrived(far_ends[dead], tracked) == tracked


def test_doctor_tries_every_backend_and_masks_secrets(far_ends: dict[str, FarEnd], environment: dict[str, str]) -> None:
    environment["REDIS_URL"] = environment["REDIS_URL"].replace("redis://", "redis://:hunter2@")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAPTURE_")}
    command = [sys.executable, "-c", "from shopstream.capture.cli import main; main()", "doctor"]
    done = subprocess.run(command, env=inherited | environment, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert f"REDIS_URL={MASK}" in lines
    assert f"CAPTURE_STORAGE_BUCKET={environment['CAPTURE_STORAGE_BUCKET']}" in lines
    checks = {line.split()[1].rstrip(":"): line for line in lines if line.startswith(("ok ", "FAILED"))}
    assert {name for name, line in checks.items() if line.startswith("ok")} == {*SWITCHES, "spool"} - {"redis"}
    # This Redis asks for no password, and says so to who gives one.
    assert "user or password in REDIS_URL" in checks["redis"]
    assert done.returncode == 75
    assert "hunter2" not in done.stdout + done.stderr
    assert far_ends["redis"].read() == []


@pytest.mark.parametrize(
    ("on", "imported"),
    [
        ("file", []),
        ("redis", ["redis"]),
        ("storage", ["google.cloud.storage"]),
        ("bigquery", ["google.cloud.bigquery"]),
    ],
)
def test_the_client_of_a_backend_that_is_off_is_not_imported(on: str, imported: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from shopstream.capture import open_capture; capture = open_capture(); "
        "clients = ('google.cloud.bigquery', 'google.cloud.storage', 'google.pubsub_v1', 'redis'); "
        "print([name for name in clients if name in sys.modules])"
    )
    settings = {
        "CAPTURE_SPOOL_DIRECTORY": str(tmp_path / "spool"),
        "CAPTURE_PUBSUB_ENABLED": "false",
        f"CAPTURE_{on.upper()}_ENABLED": "true",
        "CAPTURE_FILE_PATH": str(tmp_path / "events"),
        "CAPTURE_STORAGE_BUCKET": "a-bucket",
        "GOOGLE_CLOUD_PROJECT": "shopstream-test",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAPTURE_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=inherited | settings,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == str(imported)
