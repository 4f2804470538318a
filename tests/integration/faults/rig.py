"""The job as a process with something to break around it, and events to send through it."""

import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from google.cloud import bigquery, pubsub_v1

from deploy.local.stack import LocalStack, Part, beside_python, start_part
from deploy.local.tally import Tally, tally, views_repeat_an_event
from deploy.local.topics import ACK_DEADLINE_SECONDS, create_topics
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import read_settings
from shopstream.schemas.identifiers import make_event_id
from shopstream.schemas.message import pack
from tests.integration.wire import Wire

LINES_PER_MESSAGE = 100
METHODS = ("streaming_inserts", "storage_write")
AWAIT_SECONDS = 90.0
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
        apply_tables(self.client, self.settings)
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

    def why_the_job_ended(self) -> str | None:
        """The last of its log if it has ended by itself."""
        return None if self._job.process.poll() is None else self._job.log.read_text()[-2000:]

    @property
    def wires(self) -> tuple[Wire, Wire]:
        """Both halves."""
        return self.rest, self.grpc

    def publish(self, data: bytes, **attributes: str) -> None:
        self._publisher.publish(self._topic, data, **attributes).result(timeout=30)

    def send(self, events: Sequence[dict[str, Any]]) -> None:
        """As capture would: packed, some hundred a message."""
        self.send_lines([json.dumps(event).encode() for event in events])

    def send_lines(self, lines: Sequence[bytes]) -> None:
        """The same of lines that may be wrong."""
        for start in range(0, len(lines), LINES_PER_MESSAGE):
            packed = pack("interaction", lines[start : start + LINES_PER_MESSAGE])
            self.publish(packed.data, **packed.attributes)

    def await_events(self, count: int) -> Tally:
        """What is there once so many different events have met their fate."""
        deadline, seen = time.monotonic() + AWAIT_SECONDS, -1
        while (found := tally(self.client, self.settings)).events < count:
            assert self.why_the_job_ended() is None, self.why_the_job_ended()
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
