"""From writers that close, are killed, or run full, to the warehouse's proof of what is there and what is not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import run_command
from tests.integration.conftest import Warehouse

PROGRAMS = Path(sys.executable).parent
TRACK = """
import os, signal, sys
from shopstream.capture import open_capture, search
capture = open_capture()
for number in range(int(sys.argv[1])):
    capture.track(search(query_id=f"q-{number}", query="red wine"))
for _ in range(int(sys.argv[2])):
    capture.track({"event_type": "search"})
if "killed" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Place:
    """A spool, and a warehouse that capture writes to without a job between."""

    def __init__(self, warehouse: Warehouse, spool: Path) -> None:
        self._warehouse = warehouse
        self._environment = {
            **os.environ,
            **warehouse.environment,
            "CAPTURE_SPOOL_DIRECTORY": str(spool),
            "CAPTURE_PUBSUB_ENABLED": "false",
            "CAPTURE_BIGQUERY_ENABLED": "true",
        }

    def track(self, events: int, wrong: int, *arguments: str, **settings: str) -> int:
        command = [sys.executable, "-c", TRACK, str(events), str(wrong), *arguments]
        return subprocess.run(command, env=self._environment | settings, timeout=120, check=False).returncode

    def drain(self) -> None:
        done = run_command("shopstream-capture", "drain", "--seconds", "60", environment=self._environment)
        assert done.returncode == 0, done.stdout + done.stderr

    def balance(self) -> tuple[int, list[dict[str, Any]]]:
        done = run_command("shopstream-pipeline", "balance", "--json", environment=self._environment)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    def minutes(self) -> list[tuple[int, ...]]:
        names = ("numbered", "stored", "failed", "skipped", "dropped", "in_flight", "lost")
        sums = ", ".join(f"SUM({name}) AS {name}" for name in names)
        rows = self._warehouse.rows(f"SELECT source, {sums} FROM `{{views}}.ledger_minutes` GROUP BY source")  # noqa: S608
        return [tuple(int(str(row[name])) for name in names) for row in rows]

    def entries(self) -> list[dict[str, Any]]:
        return self._warehouse.rows("SELECT * FROM `{views}.ledger` ORDER BY occurred_at")

    def lose(self, statement: str) -> None:
        self._warehouse.rows(statement)


@pytest.fixture
def place(warehouse: Warehouse, tmp_path: Path) -> Place:
    return Place(warehouse, tmp_path / "spool")


def figures(writer: dict[str, Any]) -> tuple[int, ...]:
    return tuple(writer[name] for name in ("numbered", "stored", "failed", "skipped", "dropped", "missing"))


def test_everything_a_writer_numbered_is_there_or_proven_missing(place: Place) -> None:
    assert place.track(300, 5) == 0
    status, (writer,) = place.balance()
    assert (status, writer["closed"]) == (0, True)
    assert figures(writer) == (305, 300, 5, 0, 0, 0)
    assert place.minutes() == [(305, 300, 5, 0, 0, 0, 0)]
    place.lose("DELETE FROM `{raw}.searches` WHERE sequence = 17")
    assert place.minutes() == [(305, 299, 5, 0, 0, 0, 1)]
    status, (writer,) = place.balance()
    assert status == 1
    assert figures(writer) == (305, 299, 5, 0, 0, 1)


def test_a_killed_writer_is_accounted_for_by_whoever_takes_over(place: Place) -> None:
    assert place.track(200, 3, "killed", CAPTURE_FORWARD_IN_PROCESS="false") == -signal.SIGKILL
    assert place.balance() == (0, [])  # Nothing of it has arrived, not even that it was there.
    place.drain()
    status, (writer,) = place.balance()
    assert (status, writer["closed"]) == (0, True)
    assert figures(writer) == (203, 200, 3, 0, 0, 0)
    assert place.minutes() == [(203, 200, 3, 0, 0, 0, 0)]
    (entry,) = place.entries()
    assert entry["sent"] == [{"backend": "bigquery", "records": 203}]


def test_what_the_spool_refused_is_told_by_reason(place: Place) -> None:
    assert place.track(100, 0, CAPTURE_SPOOL_MAX_BYTES="20000", CAPTURE_BATCH_SECONDS="60") == 0
    status, (writer,) = place.balance()
    stored = writer["stored"]
    assert 10 < stored < 100
    assert (status, figures(writer)) == (0, (stored, stored, 0, 0, 0, 0))
    (entry,) = place.entries()
    assert (entry["captured"], entry["refused"]) == (
        stored,
        [{"reason": "capture.refused.full", "events": 100 - stored}],
    )
