"""What an extra costs whoever installs it: distributions, room on the disk, and what importing it loads."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from .distributions import EXTRAS, ROOT, megabytes, required

HEAVY = {"apache_beam", "google.cloud.bigquery", "google.cloud.storage", "lightgbm", "numpy", "pandas", "pyarrow"}
HEAVY |= {"fastapi", "redis", "scipy", "sklearn", "starlette", "uvicorn"}
CLIENTS = {"google.api_core", "google.auth", "grpc", "opentelemetry", "requests"}
TRACK = """
import sys
import time
from shopstream.capture import open_capture, search

with open_capture() as capture:
    assert capture.track(search(query_id="q-1", query="oat milk"))
    # The client is made by the forwarder's thread; it has been, once nobody answered it.
    while {wait} and capture.health().backends[0].last_error is None:
        time.sleep(0.01)
print(*sorted(sys.modules))
"""


def stated() -> Mapping[str, tuple[int, float]]:
    """By extra, how many distributions and megabytes docs/install.md tells of."""
    page = (ROOT / "docs/install.md").read_text()
    rows = re.findall(r"^\| `shopstream(?:\[([a-z]+)\])?` \|.*\| (\d+) \| (\d+) MB \|$", page, re.MULTILINE)
    return {extra: (int(count), float(size)) for extra, count, size in rows}


def imported_by_tracking(folder: Path, backend: str, *, wait: bool) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", TRACK.format(wait=wait)],
        env={
            "CAPTURE_DRAIN_SECONDS": "0",
            "CAPTURE_FILE_PATH": str(folder / "events"),
            "CAPTURE_PUBSUB_ENABLED": "false",
            "CAPTURE_PUBSUB_TIMEOUT_SECONDS": "0.1",
            "CAPTURE_SPOOL_DIRECTORY": str(folder / "spool"),
            "GOOGLE_CLOUD_PROJECT": "shopstream-test",
            "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",  # Nobody is there.
            f"CAPTURE_{backend.upper()}_ENABLED": "true",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_tracking_imports_no_client_and_no_server(tmp_path: Path) -> None:
    imported = imported_by_tracking(tmp_path, "file", wait=False)
    assert "shopstream.capture" in imported
    assert imported & (HEAVY | CLIENTS | {"structlog"}) == set()


def test_tracking_to_pubsub_imports_pubsub_and_nothing_heavy(tmp_path: Path) -> None:
    imported = imported_by_tracking(tmp_path, "pubsub", wait=True)
    assert "google.pubsub_v1" in imported
    assert imported & HEAVY == set()


@pytest.mark.parametrize("extra", ["", "pubsub"])
def test_what_only_captures_brings_neither_beam_nor_bigquery(extra: str) -> None:
    brought = required(*filter(None, [extra]))
    assert ("google-cloud-pubsub" in brought) is (extra == "pubsub")
    assert brought.keys() & {"apache-beam", "google-cloud-bigquery", "numpy", "pandas", "pyarrow"} == set()


def test_every_extra_is_told_of() -> None:
    assert stated().keys() == {"", *EXTRAS} - {"demo", "dev"}


@pytest.mark.parametrize("extra", ["", "pubsub", "storage", "bigquery", "redis", "collector", "metrics", "api"])
def test_an_extra_takes_no_more_than_the_page_of_installing_says(extra: str) -> None:
    brought = required(*filter(None, [extra]))
    distributions, size = stated()[extra]
    assert len(brought) <= distributions
    assert megabytes(brought) <= size * 1.1, "wheels differ a little between machines; this is more"
