"""The local stack: a Pub/Sub and a BigQuery emulator as processes on loopback, on ports that were free.

Everything the processes write lies in one folder. An emulator named by the user's own environment
(PUBSUB_EMULATOR_HOST, BIGQUERY_EMULATOR_HOST) is used as it is and not started.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

PROJECT = "shopstream-local"
_START_SECONDS = 60
_STOP_SECONDS = 10
_POLL_SECONDS = 0.05
_BIGQUERY_ADDRESSES = ("BIGQUERY_EMULATOR_HOST", "BIGQUERY_STORAGE_EMULATOR_HOST")


class StackError(Exception):
    """The local stack cannot run; the text says which part and what to do."""


@dataclass
class Part:
    """One process of the stack and the file it logs to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


@dataclass
class LocalStack:
    """Starts what the environment does not name, stops what it started; a context manager."""

    directory: Path
    given: Mapping[str, str]
    """The environment of the user: what it names wins."""
    environment: dict[str, str] = field(default_factory=dict)
    """What clients need to reach the stack, once it is started."""
    _parts: list[Part] = field(default_factory=list)

    def start(self) -> None:
        """Start every part and wait until each answers.

        Raises:
            StackError: A part is missing or did not come up.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.environment = {"GOOGLE_CLOUD_PROJECT": self.given.get("GOOGLE_CLOUD_PROJECT", PROJECT)}
        try:
            if given := self.given.get("BIGQUERY_EMULATOR_HOST"):
                self.environment["BIGQUERY_EMULATOR_HOST"] = given
            else:
                self.environment |= self._start_bigquery()
            self.environment["PUBSUB_EMULATOR_HOST"] = self.given.get("PUBSUB_EMULATOR_HOST") or self._start_pubsub()
        except BaseException:  # Ctrl-C too must leave nothing running.
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, the last first."""
        while self._parts:
            self._parts.pop().stop()

    @property
    def process_ids(self) -> dict[str, int]:
        """Of the parts that were started, by name."""
        return {part.name: part.process.pid for part in self._parts}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_pubsub(self) -> str:
        # For subscriptions that write to tables.
        bigquery = ["--bigquery", self.environment["BIGQUERY_EMULATOR_HOST"]]
        command = [sys.executable, "-m", "deploy.local.pubsub", "--port", "0", "--json", *bigquery]
        emulator = self._start("pubsub", command)
        ready = _await_line(emulator, lambda entry: "address" in entry)
        return str(ready["address"])

    def restart_bigquery(self) -> None:
        """Kill BigQuery and start it again with its data, at the same addresses.

        Raises:
            StackError: It did not come up again.
        """
        part = next(part for part in self._parts if part.name == "bigquery")
        part.process.kill()
        part.process.wait()
        self._parts.remove(part)
        rest, grpc = (self.environment[name].rpartition(":")[2] for name in _BIGQUERY_ADDRESSES)
        self._start_bigquery(rest, grpc)

    def _start_bigquery(self, rest_port: str = "0", grpc_port: str = "0") -> dict[str, str]:
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        data = self.directory / "bigquery"
        data.mkdir(exist_ok=True)
        beside_python("bqemulator")
        _install_spatial(home)
        emulator = self._start(
            "bigquery",
            [
                *(sys.executable, "-m", "deploy.local.bigquery", "start"),
                *("--rest-port", rest_port, "--grpc-port", grpc_port, "--project", PROJECT),
                *("--log-format", "json", "--persistent", "--data-dir", str(data)),
            ],
            HOME=str(home),
        )
        rest = _await_line(emulator, lambda entry: entry.get("event") == "rest.listen")
        grpc = _await_line(emulator, lambda entry: entry.get("event") == "grpc.listen")
        addresses = (f"http://127.0.0.1:{rest['port']}", f"127.0.0.1:{grpc['port']}")
        return dict(zip(_BIGQUERY_ADDRESSES, addresses, strict=True))

    def _start(self, name: str, command: Sequence[str], **extra: str) -> Part:
        part = start_part(name, command, self.directory, {**os.environ, **extra})
        self._parts.append(part)
        return part


def start_part(name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Part:
    """A process that logs to NAME.log in the folder and is stopped by us, not by the terminal's Ctrl-C.

    Raises:
        StackError: It cannot be started.
    """
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise StackError(f"{name} cannot be started: {error.strerror}: {command[0]}") from None
    return Part(name, process, log)


def beside_python(command: str) -> Path:
    """The command as it was installed with the Python that runs.

    Raises:
        StackError: It is not installed.
    """
    path = Path(sys.executable).parent / command
    if not path.exists():
        raise StackError(f"{command} is not installed beside {sys.executable}; run `make setup`")
    return path


def _install_spatial(home: Path) -> None:
    """The BigQuery emulator loads DuckDB's spatial extension from the home folder; the wheel carries it."""
    try:
        subprocess.run(
            [sys.executable, "-c", "import duckdb_extensions; duckdb_extensions.import_extension('spatial')"],
            env={**os.environ, "HOME": str(home)},
            check=True,
            capture_output=True,
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.decode(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise StackError(f"DuckDB's spatial extension cannot be installed: {last}; run `make setup`") from None


def _await_line(part: Part, wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    """The first JSON line of the log that is wanted."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        for entry in _json_lines(part.log):
            if wanted(entry):
                return entry
        if part.process.poll() is not None:
            raise StackError(
                f"The {part.name} emulator ended with status {part.process.returncode} while starting; see {part.log}"
            )
        time.sleep(_POLL_SECONDS)
    raise StackError(f"The {part.name} emulator did not come up in {_START_SECONDS} s; see {part.log}")


def _json_lines(log: Path) -> Iterator[dict[str, object]]:
    for line in log.read_bytes().splitlines():
        if line.startswith(b"{"):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue  # the line is still being written
