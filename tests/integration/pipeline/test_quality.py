"""Each rule broken once, against the emulator: found, kept, and told by the exit status."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shopstream.pipeline.quality import FEWEST_RESULTS, check_quality, rules_in_force
from shopstream.pipeline.warehouse import insert_rows
from shopstream.schemas import SettingsError, read_settings
from shopstream.schemas.quality import RULES
from shopstream.schemas.quality_result import QualityResult
from shopstream.schemas.warehouse import raw_table_id
from tests.integration.commands import run_command
from tests.integration.conftest import Warehouse

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Row = dict[str, Any]


def event(event_type: str, number: int, received_at: datetime = NOW - timedelta(minutes=5), **fields: Any) -> Row:
    values: dict[str, Row] = {
        "search": {"query_id": f"q-{number}", "query": "milk", "page": 1, "latency_ms": 12.0, "session_id": "s",
                   "intent": {"label": "product", "confidence": 1.0, "classifier": "rules"}},
        "interaction": {"action": "click", "product_id": "p", "query_id": f"q-{number}", "session_id": "s"},
        "order": {"order_id": f"o-{number}", "status": "placed", "currency": "EUR", "total_amount": "1", "items": [],
                  "user_id": "u"},
        "ledger_entry": {"writer_id": "w", "began_at": received_at.isoformat(), "skipped": 0, "dropped": 0},
    }  # fmt: skip
    common = {
        "event_id": f"01a1f640-f3c5-79e9-a5b7-{number:012x}",
        "event_type": event_type,
        "schema_version": 1,
        "source": "shop",
        "imported": False,
        **dict.fromkeys(("occurred_at", "received_at", "ingested_at"), received_at.isoformat()),
    }
    return common | values[event_type] | fields


def arrive(warehouse: Warehouse, *rows: Row) -> None:
    for row in rows:
        table = raw_table_id(warehouse.settings, row["event_type"])
        assert insert_rows(warehouse.client, table, [json.dumps(row).encode()], [row["event_id"]]) == []


def verdicts(warehouse: Warehouse, *names: str, now: datetime = NOW) -> dict[str, QualityResult]:
    return {each.rule: each for each in check_quality(warehouse.client, warehouse.settings, names, now)}


def healthy(warehouse: Warehouse) -> None:
    weeks = [NOW - timedelta(weeks=week, minutes=30) for week in range(1, 5)]
    for number in range(4):
        arrive(warehouse, *(event(kind, number) for kind in ("search", "interaction", "order", "ledger_entry")))
        arrive(warehouse, event("search", 100 + number, weeks[number]), event("order", 100 + number, weeks[number]))


def test_a_healthy_warehouse_breaks_no_rule_and_its_results_are_kept(warehouse: Warehouse) -> None:
    healthy(warehouse)
    found = verdicts(warehouse)
    assert set(found) == set(RULES)
    assert [each for each in found.values() if each.verdict == "breach"] == []
    assert found["volume.search"].value == 4.0
    assert found["refers_to.interaction.query_id"].value == 1.0
    assert found["freshness.order"].value == pytest.approx(5)
    kept = warehouse.rows("SELECT rule, verdict FROM `{views}.quality_results`")
    assert {row["rule"] for row in kept} == set(RULES)


def test_an_empty_warehouse_is_unknown_not_good(warehouse: Warehouse) -> None:
    found = verdicts(warehouse)
    assert {each.verdict for each in found.values()} <= {"unknown", "ok"}
    assert found["freshness.search"].verdict == found["required_share.search.intent"].verdict == "unknown"


def test_each_kind_of_rule_finds_what_breaks_it(warehouse: Warehouse) -> None:
    healthy(warehouse)
    arrive(
        warehouse,
        *(event("search", 200 + n, intent=None, latency_ms=1e9, session_id=None) for n in range(20)),
        *(event("interaction", 300 + n, query_id=f"nowhere-{n}", session_id=None) for n in range(5)),
        *(event("order", 1) for _ in range(9)),
        event("ledger_entry", 9, first_sequence=1, last_sequence=7, closing=True),
    )
    failed = f"{warehouse.settings.google_cloud_project}.{warehouse.settings.bigquery_dataset}_failed.failed_events"
    failure = {
        "event_id": "01a1f640-f3c5-79e9-a5b7-00000000ffff",
        "stage": "validate",
        "reason": "wrong_type",
        "detail": "d",
        "payload": "",
        "payload_bytes": 0,
        "code_version": "1",
        **dict.fromkeys(("failed_at", "received_at"), (NOW - timedelta(hours=1)).isoformat()),
    }
    assert insert_rows(warehouse.client, failed, [json.dumps(failure).encode()], ["f"]) == []
    broken = {name for name, each in verdicts(warehouse).items() if each.verdict == "breach"}
    assert broken == {
        "required_share.search.intent",
        "required_share.search.session_id",
        "required_share.interaction.session_id",
        "in_range.search.latency_ms",
        "refers_to.interaction.query_id",
        "duplicates.order",
        "volume.search",
        "volume.order",
        "failed_share",
        "captured_and_not_stored",
    }
    late = verdicts(warehouse, "freshness.search", now=NOW + timedelta(days=2))
    assert late["freshness.search"].verdict == "breach"


def test_a_rule_learns_what_is_usual_from_good_results_only(warehouse: Warehouse) -> None:
    arrive(warehouse, event("search", 1))
    for hours in range(FEWEST_RESULTS):
        moment = NOW + timedelta(hours=hours)
        assert verdicts(warehouse, "freshness.search", now=moment)["freshness.search"].verdict == "ok"
    (rule,) = rules_in_force(warehouse.client, warehouse.settings, ["freshness.search"], NOW + timedelta(days=1))
    assert rule.threshold == "learned"
    assert rule.most is not None
    assert rule.most > 13 * 60
    assert rule.least is None
    variables = {**warehouse.environment, "QUALITY_THRESHOLDS": "freshness.search<=30"}
    given = read_settings(type(warehouse.settings), variables)
    (rule,) = rules_in_force(warehouse.client, given, ["freshness.search"], NOW + timedelta(days=1))
    assert (rule.threshold, rule.most) == ("set", 30.0)


def test_the_command_ends_with_one_where_a_rule_is_broken(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    arrive(warehouse, *(event("search", n, now - timedelta(minutes=5), intent=None) for n in range(4)))
    done = run_command("shopstream-pipeline", "quality", "check", environment=warehouse.environment)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[0].split()[0] == "breach"
    assert "required_share.search.intent" in done.stdout
    fine = ("quality", "check", "freshness.search", "--json")
    done = run_command("shopstream-pipeline", *fine, environment=warehouse.environment)
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["verdict"] == "ok"


def test_a_name_that_is_no_rule_is_one_sentence(warehouse: Warehouse) -> None:
    with pytest.raises(SettingsError, match="'freshness' is no rule"):
        verdicts(warehouse, "freshness")
