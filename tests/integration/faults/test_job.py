"""The running job while something breaks around it: afterwards every event is there, once, or explained."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.cloud import bigquery, pubsub_v1

from deploy.local.stack import LocalStack, Part, beside_python, start_part
from deploy.local.tally import Tally, tally, views_repeat_an_event
from deploy.local.topics import ACK_DEADLINE_SECONDS, create_topics
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tables import create_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import read_settings
from shopstream.schemas.identifiers import make_event_id
from shopstream.schemas.message import pack
from shopstream.schemas.warehouse import raw_table_id
from tests.integration.conftest import own_name
from tests.integration.wire import Mode, Wire, http_answer

EVENTS, LINES_PER_MESSAGE = 2_000, 100
OUTAGE_SECONDS = 1.5
AWAIT_SECONDS = 90.0
METHODS = ("streaming_inserts", "storage_write")
START = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Rig:
    """The job as a process, with a wire to each half of BigQuery that can be cut."""

    def __init__(self, stack: LocalStack, directory: Path, name: str, method: str, *, duplicate_every: int = 0) -> None:
        rest = urlsplit(stack.environment["BIGQUERY_EMULATOR_HOST"])
        grpc_host, _, grpc_port = stack.environment["BIGQUERY_STORAGE_EMULATOR_HOST"].partition(":")
        self.rest = Wire(str(rest.hostname), int(rest.port or 0))
        self.grpc = Wire(grpc_host, int(grpc_port))
        own = {
            "BIGQUERY_DATASET": name,
            "BIGQUERY_WRITE_METHOD": method,
            "PUBSUB_TOPIC": name,
            "PUBSUB_SUBSCRIPTION": f"{name}-pipeline",
            "BIGQUERY_STREAMS_PER_TABLE": "1",
        }
        self.settings = read_settings(PipelineSettings, {**stack.environment, **own})
        self.client: bigquery.Client = connect(self.settings)
        create_tables(self.client, self.settings)
        create_topics(self.settings, duplicate_every=duplicate_every)
        environment = {
            **os.environ,
            **stack.environment,
            **own,
            "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{self.rest.port}",
            "BIGQUERY_STORAGE_EMULATOR_HOST": f"127.0.0.1:{self.grpc.port}",
        }
        self._command = [str(beside_python("shopstream-pipeline")), "run"]
        self._directory, self._environment = directory, environment
        self._job = self._start()
        self._publisher = pubsub_v1.PublisherClient()
        self._topic = self._publisher.topic_path(self.settings.google_cloud_project, self.settings.pubsub_topic)

    def _start(self) -> Part:
        return start_part("job", self._command, self._directory, self._environment)

    def kill_and_start_again(self) -> None:
        """As the kernel would when memory is short: at any moment, without a word."""
        self._job.process.kill()
        self._job.process.wait()
        self._job = self._start()

    @property
    def wires(self) -> tuple[Wire, Wire]:
        """Both halves."""
        return self.rest, self.grpc

    def publish(self, data: bytes, **attributes: str) -> None:
        self._publisher.publish(self._topic, data, **attributes).result(timeout=30)

    def send(self, events: Sequence[dict[str, Any]]) -> None:
        """As capture would: packed, some hundred a message."""
        lines = [json.dumps(event).encode() for event in events]
        for start in range(0, len(lines), LINES_PER_MESSAGE):
            packed = pack("interaction", lines[start : start + LINES_PER_MESSAGE])
            self.publish(packed.data, **packed.attributes)

    def await_events(self, count: int) -> Tally:
        """What is there once so many different events have met their fate."""
        deadline, seen = time.monotonic() + AWAIT_SECONDS, -1
        while (found := tally(self.client, self.settings)).events < count:
            assert self._job.process.poll() is None, self._job.log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{found.events} of {count}: {self._job.log.read_text()[-2000:]}"
            if found.events > seen:
                seen, deadline = found.events, time.monotonic() + AWAIT_SECONDS
            time.sleep(0.3)
        return found

    def check(self, stored: int, failed: dict[str, int]) -> Tally:
        """Nothing lost, nothing seen twice, every failure explained."""
        found = self.await_events(stored + sum(failed.values()))
        assert sum(found.stored.values()) == stored, self._job.log.read_text()[-2000:]
        assert dict(found.failed) == failed
        assert views_repeat_an_event(self.client, self.settings) == []
        return found

    def left_in_the_subscription(self) -> int:
        """Messages that come again after the job has gone and its time to acknowledge is over."""
        self._job.stop()
        deadline = time.monotonic() + ACK_DEADLINE_SECONDS + 1
        with pubsub_v1.SubscriberClient() as subscriber:
            found = 0
            while time.monotonic() < deadline:
                pulled = subscriber.pull(subscription=self.settings.subscription_path, max_messages=100, timeout=30)
                found += len(pulled.received_messages)
        return found

    def close(self) -> None:
        self._job.stop()
        for wire in self.wires:
            wire.close()
        self._publisher.transport.close()
        self.client.close()


def events(count: int, *, seed: int = 1, spread: timedelta = timedelta(0)) -> list[dict[str, Any]]:
    """Clicks of some users, at times that are apart from their order by up to `spread`."""
    random = Random(seed)
    found = []
    for number in range(count):
        moment = START + timedelta(seconds=number / 100) + spread * random.uniform(-1, 1)
        found.append(
            {
                "event_id": make_event_id(moment, random),
                "event_type": "interaction",
                "schema_version": 1,
                "occurred_at": moment.isoformat(),
                "source": "shop",
                "user_id": f"u-{random.randrange(300)}",
                "action": "click",
                "product_id": f"p-{number}",
            }
        )
    return found


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


FAULTS: dict[str, tuple[Mode, bytes]] = {
    "refused": ("cut", b""),
    "silent": ("silent", b""),
    "answer lost": ("answer lost", b""),
    "503": ("answer", http_answer(503)),
    "429": ("answer", http_answer(429)),
    "500 that is no JSON": ("answer", http_answer(500, b"<html>")),
}


@pytest.mark.parametrize("method", METHODS)
def test_bigquery_breaks_in_every_way_while_the_job_runs(method: str, start: Start) -> None:
    rig = start(method)
    sent = events(EVENTS * len(FAULTS))
    for number, (mode, answer) in enumerate(FAULTS.values()):
        some = sent[EVENTS * number : EVENTS * (number + 1)]
        rig.send(some[: EVENTS // 2])
        for wire in rig.wires:
            wire.set(mode, answer)
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
    create_tables(rig.client, rig.settings)
    rig.check(EVENTS, {})
