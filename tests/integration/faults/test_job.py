"""The running job while something breaks around it: afterwards every event is there, once, or explained."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from deploy.local.stack import LocalStack
from shopstream.pipeline.tables import apply_tables
from shopstream.schemas.warehouse import raw_table_id
from tests.integration.conftest import own_name
from tests.integration.faults.refusing import Refusal, refusing
from tests.integration.faults.rig import LINES_PER_MESSAGE, METHODS, Rig, events
from tests.integration.wire import Mode, http_answer

EVENTS = 2_000
OUTAGE_SECONDS = 1.5
Start = Callable[..., Rig]


@pytest.fixture
def start(stack: LocalStack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts the job of a test."""
    rigs: list[Rig] = []

    def begin(method: str, **options: Any) -> Rig:
        rigs.append(Rig(stack, tmp_path, own_name(request), method, **options))
        return rigs[-1]

    yield begin
    for rig in rigs:
        rig.close()


def test_what_has_met_its_fate_is_acknowledged(start: Start) -> None:
    rig = start("streaming_inserts")
    rig.send(events(EVENTS))
    rig.publish(b"no event")
    rig.check(EVENTS, {"malformed_json": 1})
    assert rig.left_in_the_subscription() == 0


@pytest.mark.parametrize("method", METHODS)
def test_the_job_is_killed_in_the_middle_of_its_writes(method: str, start: Start) -> None:
    rig = start(method)
    sent = events(EVENTS)
    third = EVENTS // 3
    rig.send(sent[:third])
    rig.await_events(third)
    written_over = rig.grpc if method == "storage_write" else rig.rest
    written_over.set("answer lost")
    rig.send(sent[third : 2 * third])
    rig.await_events(third + LINES_PER_MESSAGE)  # BigQuery has rows that the job does not know of.
    rig.kill_and_start_again()
    for wire in rig.wires:
        wire.set("silent")
    rig.send(sent[2 * third :])
    time.sleep(OUTAGE_SECONDS)  # As below.
    rig.kill_and_start_again()
    for wire in rig.wires:
        wire.set("open")
    found = rig.check(EVENTS, {})
    if method == "storage_write":
        assert found.rows == EVENTS


def test_bigquery_refuses_rows_while_the_job_runs(start: Start) -> None:
    alone, together = {f"p-{number}" for number in (7, 700)}, {f"p-{number}" for number in (13, 1_300)}

    def refuse(row: dict[str, Any]) -> Refusal:
        if row.get("product_id") in alone:
            return "row"
        return "request" if row.get("product_id") in together else None

    rig = start("streaming_inserts")
    with refusing(rig.rest.server, refuse) as before_bigquery:
        rig.rest.server = before_bigquery
        rig.rest.set("open")
        rig.send(events(EVENTS))
        rig.check(EVENTS - 4, {"row_refused": 4})


def test_a_table_lacks_a_column_that_some_events_have(start: Start) -> None:
    rig = start("streaming_inserts")
    sent = events(EVENTS)
    for event in sent[::10]:
        event["position"] = 3
    with refusing(rig.rest.server, lambda row: "row" if row.get("position") else None) as before_bigquery:
        rig.rest.server = before_bigquery
        rig.rest.set("open")
        rig.send(sent)
        rig.check(EVENTS - EVENTS // 10, {"row_refused": EVENTS // 10})


# Of these two each method has one in `make test`, and both in `make test-long` and in the soak.
@pytest.mark.parametrize("method", [pytest.param("streaming_inserts", marks=pytest.mark.long), "storage_write"])
def test_bigquery_is_killed_and_comes_back(method: str, start: Start, stack: LocalStack) -> None:
    rig = start(method)
    sent = events(EVENTS)
    rig.send(sent[: EVENTS // 2])
    rig.await_events(EVENTS // 4)
    rig.send(sent[EVENTS // 2 :])
    stack.restart_bigquery()
    rig.check(EVENTS, {})


FAULTS: dict[str, tuple[Mode, bytes]] = {
    "refused": ("cut", b""),
    "silent": ("silent", b""),
    "answer lost": ("answer lost", b""),
    "503": ("answer", http_answer(503)),
    "429": ("answer", http_answer(429)),
    "500 that is no JSON": ("answer", http_answer(500, b"<html>")),
    "slow": ("slow", b""),
}


@pytest.mark.parametrize("method", ["streaming_inserts", pytest.param("storage_write", marks=pytest.mark.long)])
def test_bigquery_breaks_in_every_way_while_the_job_runs(method: str, start: Start) -> None:
    rig = start(method)
    sent = events(EVENTS * len(FAULTS))
    for number, (mode, answer) in enumerate(FAULTS.values()):
        some = sent[EVENTS * number : EVENTS * (number + 1)]
        rig.send(some[: EVENTS // 2])
        for wire in rig.wires:
            wire.set(mode, answer, OUTAGE_SECONDS)
        rig.send(some[EVENTS // 2 :])
        time.sleep(OUTAGE_SECONDS)  # It lasts so long; what the job does meanwhile is its own affair.
        for wire in rig.wires:
            wire.set("open")
        rig.await_events(EVENTS * (number + 1))
    rig.check(len(sent), {})


@pytest.mark.parametrize("method", METHODS)
def test_what_comes_twice_out_of_order_late_early_or_broken_is_there_once_or_explained(
    method: str, start: Start
) -> None:
    rig = start(method, duplicate_every=1)
    sent = events(EVENTS, spread=timedelta(hours=12))
    for number in range(0, EVENTS, 100):
        sent[number]["occurred_at"] = ["1970-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"][number // 100 % 2]
        sent[number + 1]["occurred_at"] = "2017-03-01T00:00:00+00:00"  # History is no fault.
    shuffled = Random(5).sample(sent, len(sent))
    rig.send(shuffled[: EVENTS // 2])
    rig.publish(b"\x1f\x8b nothing like gzip", content_encoding="gzip")
    rig.publish(b"\xff\xfe{}")
    rig.publish(b"[" * 100_000)
    rig.publish(b"", count="7")
    rig.publish(json.dumps(events(1, seed=2)[0]).encode(), event_type="order", count="1")
    rig.send(shuffled[EVENTS // 2 :])
    wrong = EVENTS // 100
    poison = {"unreadable_message": 2, "not_utf8": 1, "malformed_json": 1, "attribute_mismatch": 1}
    rig.check(EVENTS - wrong, poison | {"time_out_of_range": wrong})


@pytest.mark.parametrize("method", METHODS)
def test_a_table_is_missing_for_a_while(method: str, start: Start) -> None:
    rig = start(method)
    rig.client.delete_table(raw_table_id(rig.settings, "interaction"), timeout=30)
    rig.send(events(EVENTS))
    time.sleep(OUTAGE_SECONDS)  # As above.
    apply_tables(rig.client, rig.settings)
    rig.check(EVENTS, {})
