"""A topic of the test's own on the Pub/Sub emulator, what arrives there, and services as real processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PubsubMessage

from shopstream.schemas import unpack
from shopstream.schemas.events import LEDGER_ENTRY

PATIENCE_SECONDS = 30.0
"""How long a test waits for what must come; never how long it takes."""


@dataclass
class Arrivals:
    """A topic with a subscription, and everything that was pulled from it, the ledger's entries apart."""

    address: str
    project: str
    name: str
    messages: list[PubsubMessage] = field(default_factory=list)
    ledger: list[PubsubMessage] = field(default_factory=list)

    def __post_init__(self) -> None:
        channel = grpc.insecure_channel(self.address)
        self._publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        self.topic = f"projects/{self.project}/topics/{self.name}"
        self._subscription = f"projects/{self.project}/subscriptions/{self.name}"

    def create(self) -> None:
        self._publisher.create_topic(name=self.topic, timeout=PATIENCE_SECONDS)
        request = {"name": self._subscription, "topic": self.topic, "ack_deadline_seconds": 60}
        self._subscriber.create_subscription(request=request, timeout=PATIENCE_SECONDS)

    def delete(self) -> None:
        self._subscriber.delete_subscription(subscription=self._subscription, timeout=PATIENCE_SECONDS)
        self._publisher.delete_topic(topic=self.topic, timeout=PATIENCE_SECONDS)

    def suffer(self, fault: str, times: int) -> None:
        """The next so many publish requests meet this fault."""
        labels = {"fault-publish": fault, "fault-times": str(times)}
        request = {"topic": {"name": self.topic, "labels": labels}, "update_mask": {"paths": ["labels"]}}
        self._publisher.update_topic(request=request, timeout=PATIENCE_SECONDS)

    def pull(self, wanted: int) -> list[str]:
        """The event_ids of what arrived, in order, once so many different ones have."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(set(self.event_ids())) < wanted and time.monotonic() < deadline:
            self._pull_once()
        self._pull_once(seconds=0.2)
        return self.event_ids()

    def event_ids(self) -> list[str]:
        return [event["event_id"] for event in self.events()]

    def events(self) -> list[dict[str, Any]]:
        return [
            orjson.loads(line) for message in self.messages for line in unpack(message.data, dict(message.attributes))
        ]

    def _pull_once(self, seconds: float = 2.0) -> None:
        request = {"subscription": self._subscription, "max_messages": 1000}
        try:
            received = self._subscriber.pull(request=request, timeout=seconds, retry=None).received_messages
        except DeadlineExceeded:
            return
        if received:
            for each in received:
                is_entry = each.message.attributes.get("event_type") == LEDGER_ENTRY
                (self.ledger if is_entry else self.messages).append(each.message)
            request = {"subscription": self._subscription, "ack_ids": [each.ack_id for each in received]}
            self._subscriber.acknowledge(request=request)


@dataclass
class Place:
    """Where a service captures to: the environment of its process, and what arrives."""

    environment: dict[str, str]
    arrivals: Arrivals

    @property
    def spool(self) -> Path:
        return Path(self.environment["CAPTURE_SPOOL_DIRECTORY"])

    def start(
        self, program: str, *arguments: str, stdin: int = subprocess.DEVNULL, **settings: str
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env=self.environment | settings,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        with self.start(program, *arguments, stdin=subprocess.DEVNULL, **settings) as process:
            output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def command(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run shopstream-capture."""
        return self.run("from shopstream.capture.cli import main; main()", *arguments, **settings)


@pytest.fixture
def place(stack: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:200]
    arrivals = Arrivals(
        stack.environment["PUBSUB_EMULATOR_HOST"], stack.environment["GOOGLE_CLOUD_PROJECT"], f"capture-{name}"
    )
    arrivals.create()
    return Place(environment_of(arrivals, tmp_path), arrivals)


def environment_of(arrivals: Arrivals, directory: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CAPTURE_", "GRPC_"))}
    return inherited | {
        "PUBSUB_EMULATOR_HOST": arrivals.address,
        "GOOGLE_CLOUD_PROJECT": arrivals.project,
        "PUBSUB_TOPIC": arrivals.name,
        "CAPTURE_SPOOL_DIRECTORY": str(directory / "spool"),
        "CAPTURE_BATCH_SECONDS": "0.05",
        "CAPTURE_DRAIN_SECONDS": "20",
    }


@pytest.fixture
def own_pubsub() -> Iterator[Callable[[int], "tuple[subprocess.Popen[str], str]"]]:
    """Starts a Pub/Sub emulator that the test may kill; gives the process and its address."""
    started = []

    def start(port: int) -> "tuple[subprocess.Popen[str], str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.pubsub", "--port", str(port), "--json"],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, str(orjson.loads(process.stdout.readline())["address"])

    yield start
    for process in started:
        process.kill()
        process.communicate()
