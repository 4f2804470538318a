"""shopstream-capture as a shell sees it."""

import json
from pathlib import Path
from typing import Any

import pytest

GOOD = {"event_type": "consent", "user_id": "u", "purpose": "analytics", "granted": True, "policy_version": "1"}
COMMANDS = ["doctor", "status", "drain", "forward", "track"]


def test_lines_of_a_file_are_sent(place: Any, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(f"{json.dumps(GOOD)}\n\n{json.dumps(GOOD)}\r\n")
    ended = place.command("track", str(file), "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["counts"]["capture.forwarded"] == 2
    assert len(place.arrivals.pull(2)) == 2


def test_a_failed_event_is_an_exit_code(place: Any, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(f"nonsense\n{json.dumps(GOOD)}\n")
    ended = place.command("track", str(file))
    assert (ended.returncode, ended.stderr) == (1, "")
    assert len(place.arrivals.pull(2)) == 2


def test_the_doctor_finds_everything_well(place: Any) -> None:
    ended = place.command("doctor", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    answer = json.loads(ended.stdout)
    assert [check["ok"] for check in answer["checks"]] == [True, True]
    assert answer["settings"]["CAPTURE_PUBSUB_ENABLED"] == "True"


def test_what_cannot_be_reached_is_75(place: Any, tmp_path: Path) -> None:
    dead = {"PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "CAPTURE_DRAIN_SECONDS": "0.2"}
    ended = place.command("doctor", **dead)
    assert ended.returncode == 75
    assert "FAILED  pubsub" in ended.stdout
    file = tmp_path / "events.ndjson"
    file.write_text(json.dumps(GOOD))
    assert place.command("track", str(file), **dead).returncode == 75
    assert "2 events" in place.command("status", **dead).stdout  # And what the writer accounts for.
    assert place.command("drain").returncode == 0
    assert len(place.arrivals.pull(1)) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CAPTURE_PUBSUB_ENABELD", "1"), ("CAPTURE_SEGMENT_BYTES", "many"), ("CAPTURE_SPOOL_DIRECTORY", "")],
)
@pytest.mark.parametrize("command", ["doctor", "status", "drain", "forward"])
def test_a_wrong_setting_is_2_and_named(place: Any, command: str, variable: str, value: str) -> None:
    ended = place.command(command, **{variable: value})
    assert ended.returncode == 2
    assert variable in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(place: Any, command: str) -> None:
    ended = place.command(command, "--help")
    assert ended.returncode == 0
    assert f"shopstream-capture {command}" in ended.stdout.partition("example:")[2]


def test_a_file_that_is_not_there_is_2_without_a_traceback(place: Any) -> None:
    ended = place.command("track", "/nowhere")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
