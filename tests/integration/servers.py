"""Servers that tests start: each a process of the test's own on a free port, killed at the end."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

REDIS_SERVER = "redis-server"
_PATIENCE_SECONDS = 30.0


@contextmanager
def running(command: list[str], answers: Callable[[], bool]) -> Iterator["subprocess.Popen[bytes]"]:
    """A server, once it answers; killed at the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not answers():
            # Looked at before every try: what answers on the port would otherwise be somebody else's.
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command[0]} did not come up"
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def start_redis(port: int) -> Any:
    """A Redis of the test's own that keeps nothing on disk."""
    program = shutil.which(REDIS_SERVER)
    assert program
    client = redis.Redis(port=port, protocol=2)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]  # noqa: S108 - never written
    return running([program, "--port", str(port), *options], answers)
