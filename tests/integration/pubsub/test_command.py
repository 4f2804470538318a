"""The emulator as a process."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from .conftest import PATIENCE_SECONDS, ROOT

COMMAND = [sys.executable, "-m", "deploy.local.pubsub"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_cleanly(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        assert ready["address"] == f"127.0.0.1:{ready['port']}"
        socket.create_connection((ready["host"], ready["port"]), timeout=PATIENCE_SECONDS).close()
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE_SECONDS) == ("", "")
    assert process.returncode == 0


def test_a_port_in_use_is_one_sentence_and_status_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run([*COMMAND, "--port", port], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"Error: port {port} of 127.0.0.1 cannot be had")
    assert ended.stderr.count("\n") == 1
