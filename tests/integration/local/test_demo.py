"""`make demo` as a person runs it: a process with arguments, an exit status, and what it prints."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "deploy.local.demo"]


def environment() -> dict[str, str]:
    """Without the emulators of other tests: the demo starts its own."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def processes_in(directory: Path) -> list[str]:
    """Command lines of the processes that still hold a file of this folder open or named."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            variables = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(directory) in command or str(directory) in variables:
            found.append(command)
    return found


def test_the_demo_tells_every_events_fate_and_stops_what_it_started(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    done = run("--households", "10", "--days", "90", "--directory", str(directory))
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["captured"] == summary["stored"] + summary["failed"]
    assert (summary["lost"], summary["failed"]) == (0, summary["failed_on_purpose"])
    assert len(re.findall(r"^── household-\d+ \(from the warehouse\) ", done.stdout, re.MULTILINE)) == 3
    assert "likely to buy again" in done.stdout
    assert done.stdout.count("next basket, and why (persona ") == 3
    assert "times in the last year, every" in done.stdout
    assert "simulated" in done.stdout
    assert re.search(r"console, read-only: http://127.0.0.1:\d+/console#pk_\S+\n +it stops with the demo", done.stdout)
    assert processes_in(directory) == []


def test_ones_own_events_go_the_same_way_and_the_console_stays_until_it_is_stopped(tmp_path: Path) -> None:
    good = {
        "event_type": "order",
        "order_id": "o-1",
        "status": "placed",
        "user_id": "u-1",
        "items": [{"product_id": "p-1", "quantity": 2, "unit_price": "3.99"}],
        "currency": "EUR",
        "total_amount": "7.98",
    }
    lines = [json.dumps(good | {"order_id": f"o-{number}"}).encode() for number in range(5)]
    bad = [b"{", b"\xff", b'{"event_type": "serach"}', json.dumps(good | {"currency": "x" * 10_000_000}).encode()]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([*lines, *bad, b""]))
    directory = tmp_path / "demo"
    arguments = ("--input", str(file), "--json", "--serve", "--directory", str(directory))
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=said, text=True
        )
    assert process.stdout is not None
    summary = json.loads(process.stdout.readline() or (tmp_path / "said").read_text())
    printed = (tmp_path / "said").read_text()
    (address, key) = re.findall(r"console, read-only: (http://\S+/console)#(pk_\S+)", printed)[0]
    page = httpx.get(address, headers={"Cookie": f"shopstream_console={key}"}, timeout=30)
    assert (page.status_code, "Failures by reason" in page.text) == (200, True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert processes_in(directory) == []
    assert (summary["captured"], summary["stored"], summary["failed"], summary["lost"]) == (9, 5, 4, 0)
    assert summary["failed_by_reason"] == {
        "malformed_json": 1,
        "not_utf8": 1,
        "unknown_event_type": 1,
        "too_large": 1,
    }


def test_a_demo_that_is_stopped_in_the_middle_leaves_nothing_running(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    process = subprocess.Popen(
        [*COMMAND, "--directory", str(directory)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "Streaming job" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    deadline = time.monotonic() + 10
    while processes_in(directory) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_in(directory) == []


def test_a_folder_that_is_not_a_demo_s_is_never_emptied(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("keep me")
    done = run("--directory", str(tmp_path))
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert precious.read_text() == "keep me"


@pytest.mark.parametrize(
    ("variable", "form", "named"),
    [
        ("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:{}", "BigQuery"),
        ("PUBSUB_EMULATOR_HOST", "127.0.0.1:{}", "PUBSUB_EMULATOR_HOST"),
    ],
)
def test_an_emulator_that_is_not_there_is_one_sentence(tmp_path: Path, variable: str, form: str, named: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = form.format(unused.getsockname()[1])
        done = run("--directory", str(tmp_path / "demo"), **{variable: address})
    assert done.returncode == 75
    assert "Traceback" not in done.stdout + done.stderr
    assert named in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        (["--households", "none"], {}, "--households"),
        (["--input", "no/such/file"], {}, "no/such/file"),
        ([], {"GOOGLE_CLOUD_PROJECT": "X"}, "GOOGLE_CLOUD_PROJECT"),
        ([], {"CAPTURE_SPOL_DIRECTORY": "x"}, "CAPTURE_SPOOL_DIRECTORY"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_status_2(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], named: str
) -> None:
    done = run(*arguments, "--directory", str(tmp_path / "demo"), **variables)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert named in done.stderr
