"""Failed events are found, looked at and sent round again, each once and each with what came of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import run_command
from tests.integration.conftest import Warehouse

GOLDEN = Path(__file__).parents[2] / "golden/interaction/valid.ndjson"
FIXES = """
def add_action(event):
    return {**event, "action": "click"} if event.get("product_id") else None

def nothing(event):
    return event

def another_event(event):
    return {**event, "action": "click", "event_id": "01a1fe4c-abc0-7ce7-b3ad-000000000000"}
"""


def run(environment: Mapping[str, str], *arguments: str) -> Any:
    """What a command prints as JSON, its exit status under `status`."""
    done = run_command("shopstream-pipeline", *arguments, "--json", environment=environment)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout) if done.stdout else None


@pytest.fixture
def wrong(warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """Three events without an action, one of them without a product, and one line that is not JSON."""
    (good, *_) = map(json.loads, GOLDEN.read_text().splitlines())
    lines = [b"not json"]
    for number in range(3):
        fields = {name: value for name, value in good.items() if name != "action"}
        fields |= {"event_id": f"01a1fe4c-abc0-7ce7-b3ad-{number:012}", "user_id": "u-secret"}
        fields |= {"writer_id": "w-1", "sequence": number + 1}
        if number == 2:
            del fields["product_id"]
        lines.append(json.dumps(fields, separators=(",", ":")).encode())
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(lines))
    (tmp_path / "fixes.py").write_text(FIXES)
    assert run(warehouse.environment, "backfill", f"{tmp_path}/events.ndjson")["events_failed"] == 4
    return warehouse


def stored(warehouse: Warehouse) -> list[str]:
    rows = warehouse.rows("SELECT event_id, writer_id, sequence FROM `{views}.interactions` ORDER BY event_id")
    return [f"{row['event_id'][-1:]} {row['writer_id']} {row['sequence']}" for row in rows]  # type: ignore[index]


def test_they_are_counted_by_reason_and_listed(wrong: Warehouse) -> None:
    counts = run(wrong.environment, "failed", "list")
    assert [(row["stage"], row["reason"], row["field"], row["events"]) for row in counts] == [
        ("validate", "missing_field", "action", 3),
        ("validate", "malformed_json", None, 1),
    ]
    listed = run(wrong.environment, "failed", "list", "--events", "--field", "action", "--most", "2")
    assert [row["reason"] for row in listed] == ["missing_field"] * 2
    assert run(wrong.environment, "failed", "list", "--since", "2100-01-01") == []


def test_one_is_shown_with_its_bytes_its_job_and_code(wrong: Warehouse) -> None:
    shown = run(wrong.environment, "failed", "show", "01a1fe4c-abc0-7ce7-b3ad-000000000001")
    assert json.loads(shown["payload"])["user_id"] == "u-secret"
    assert (shown["job"], shown["user_id"], shown["replay_outcome"]) == ("shopstream", "u-secret", None)
    assert shown["code_version"]
    assert run(wrong.environment, "failed", "show", "01a1fe4c-abc0-7ce7-b3ad-999999999999") is None


def test_a_dry_run_says_what_would_pass_now_and_writes_nothing(wrong: Warehouse, tmp_path: Path) -> None:
    fix = f"{tmp_path}/fixes.py:add_action"
    as_they_are = run(wrong.environment, "failed", "replay", "--dry-run")
    assert (as_they_are["passed"], as_they_are["failed"]) == (
        0,
        {"validate/missing_field action": 3, "validate/malformed_json": 1},
    )
    fixed = run(wrong.environment, "failed", "replay", "--dry-run", "--fix", fix)
    assert (fixed["passed"], fixed["failed"]) == (2, {})
    assert fixed["left_out"] == {"the fix leaves it alone": 1, "no JSON object to fix": 1}
    assert stored(wrong) == []
    assert wrong.rows("SELECT COUNT(*) AS n FROM `{failed}.replays`") == [{"n": 0}]


def test_what_is_fixed_is_stored_under_its_own_id_and_number_and_marked(wrong: Warehouse, tmp_path: Path) -> None:
    fix = f"{tmp_path}/fixes.py:add_action"
    done = run(wrong.environment, "failed", "replay", "--fix", fix)
    assert (done["passed"], done["failed"]) == (2, {})
    assert stored(wrong) == ["0 w-1 1", "1 w-1 2"]
    marks = wrong.rows("SELECT outcome, fix FROM `{failed}.replays`")
    assert marks == [{"outcome": "stored", "fix": fix}] * 2
    assert [row["events"] for row in run(wrong.environment, "failed", "list")] == [1, 1]
    assert [row["events"] for row in run(wrong.environment, "failed", "list", "--with-replayed")] == [3, 1]


def test_what_was_stored_is_not_sent_again_unless_asked_and_then_seen_once(wrong: Warehouse, tmp_path: Path) -> None:
    fix = f"{tmp_path}/fixes.py:add_action"
    run(wrong.environment, "failed", "replay", "--fix", fix)
    assert run(wrong.environment, "failed", "replay", "--fix", fix)["passed"] == 0
    assert run(wrong.environment, "failed", "replay", "--fix", fix, "--with-replayed")["passed"] == 2
    assert stored(wrong) == ["0 w-1 1", "1 w-1 2"]


def test_what_fails_again_stays_failed_and_says_so(wrong: Warehouse, tmp_path: Path) -> None:
    done = run(wrong.environment, "failed", "replay", "--fix", f"{tmp_path}/fixes.py:nothing", "--field", "action")
    assert (done["passed"], done["failed"]) == (0, {"validate/missing_field action": 3})
    shown = run(wrong.environment, "failed", "show", "01a1fe4c-abc0-7ce7-b3ad-000000000001")
    assert (shown["replay_outcome"], shown["reason"]) == ("failed", "missing_field")
    assert [row["events"] for row in run(wrong.environment, "failed", "list")] == [3, 1]


def test_a_fix_cannot_make_it_another_event(wrong: Warehouse, tmp_path: Path) -> None:
    run(wrong.environment, "failed", "replay", "--fix", f"{tmp_path}/fixes.py:another_event", "--field", "action")
    assert stored(wrong) == ["0 w-1 1", "1 w-1 2"]
