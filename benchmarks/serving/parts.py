"""The processes a run stands on: a Redis, servers over HTTP, and peers in an environment of their own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import redis

from deploy.local.stack import Part, start_part

_PATIENCE_SECONDS = 60.0
_FEAST = Path(__file__).with_name("feast_peer.py")


def await_that(holds: Callable[[], bool], what: str) -> None:
    """Return once it holds.

    Raises:
        ClickException: It did not in a minute.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise click.ClickException(f"{what} did not come up")
        time.sleep(0.02)


def start_redis(port: int, directory: Path, *, keeps: bool = False) -> Part:
    """A Redis, once it answers; with what an earlier one in the folder kept, where it keeps anything.

    Raises:
        ClickException: There is none on this machine.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise click.ClickException("needs redis-server: apt-get install redis-server")
    file = ["--dbfilename", "kept.rdb"] if keeps else ["--dbfilename", "none.rdb"]
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(directory), *file]
    part = start_part("redis", [program, "--port", str(port), *options], directory, os.environ)
    await_that(lambda: answers(port), "redis-server")
    return part


def free_port() -> int:
    """A port nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(port: int) -> bool:
    """Whether a Redis is there, with its data."""
    try:
        with redis.Redis(port=port) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def server(command: Sequence[str], environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A process whose first line says that it listens."""
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def first_line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What a server says first, as JSON."""
    assert process.stdout is not None  # noqa: S101 - asked for
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def own_python(code: str, *arguments: str) -> list[str]:
    """A command that runs code in this environment."""
    return [sys.executable, "-c", code, *arguments]


def feast(python: Path, *arguments: str) -> list[str]:
    """A command that runs the peer's script in the environment it is installed in."""
    return [str(python), str(_FEAST), *arguments]
