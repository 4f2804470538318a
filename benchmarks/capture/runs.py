"""Starts workers: one process a subject and measure, in the environment it needs."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from .sink import Sink
from .subjects import PEERS

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
PEERS_REQUIREMENTS = Path(__file__).with_name("requirements-peers.txt")


@dataclass
class Place:
    """A directory and a sink for one subject."""

    subject: str
    directory: Path
    sink: Sink
    settings: dict[str, str] = field(default_factory=dict)
    """CAPTURE_ settings other than the defaults."""

    def start(self, measure: str, **request: Any) -> "subprocess.Popen[str]":
        """A worker, running."""
        given = {
            "subject": self.subject,
            "measure": measure,
            "http": self.sink.http,
            "pubsub": self.sink.pubsub,
            "directory": str(self.directory),
            **request,
        }
        python = str(PEERS_PYTHON) if self.subject in PEERS else sys.executable
        foreign = ("CAPTURE_", "PYTHON") if self.subject in PEERS else ("CAPTURE_",)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return subprocess.Popen(
            [python, "-m", "benchmarks.capture.worker", json.dumps(given)],
            cwd=ROOT,
            env=environ | self.settings | {"OTEL_PYTHON_LOG_LEVEL": "critical"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def run(self, measure: str, *, patience: float = 120.0, **request: Any) -> dict[str, Any]:
        """What the worker found; {"hung": True} where it did not end."""
        return finish(self.start(measure, **request), patience)


def finish(process: "subprocess.Popen[str]", patience: float) -> dict[str, Any]:
    """Wait for a worker, and kill it where it does not end."""
    try:
        output, _ = process.communicate("\n", timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # Its children too: those that hang hold its output open.
        process.communicate()
        return {"hung": True}
    found: dict[str, Any] = json.loads(output) if process.returncode == 0 and output else {}
    return found


@contextmanager
def place_of(subject: str, **settings: str) -> Iterator[Place]:
    """A fresh one, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        with Sink(directory / "sink") as sink:
            yield Place(subject, directory, sink, dict(settings))


def say(text: str) -> None:
    """Progress."""
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)
