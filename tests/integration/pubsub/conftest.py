"""Two Pub/Subs as real processes: ours, and pstest, the fake of Google's Go client, as a second opinion."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 30.0
"""How long a test waits for what must come; never how long it takes."""

_GO = "/usr/bin/go"
_GO_PATH = Path("/usr/share/gocode")
_PSTEST_SOURCE = _GO_PATH / "src/cloud.google.com/go/pubsub/pstest"
_PROJECTS = count(1)


@dataclass
class PubSub:
    """The real clients on one server, and a project of its own for each test."""

    name: str
    address: str
    publisher: PublisherClient
    subscriber: SubscriberClient
    project: str = field(default_factory=lambda: f"project-{next(_PROJECTS)}")
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def topic_path(self, topic: str = "missing") -> str:
        return f"projects/{self.project}/topics/{topic}"

    def subscription_path(self, subscription: str = "missing") -> str:
        return f"projects/{self.project}/subscriptions/{subscription}"

    def create_topic(self, **settings: Any) -> str:
        name = self.topic_path(f"topic-{next(self._numbers)}")
        self.publisher.create_topic(request={"name": name, **settings})
        return name

    def create_subscription(self, topic: str, **settings: Any) -> str:
        name = self.subscription_path(f"subscription-{next(self._numbers)}")
        # The minimum, said aloud: pstest refuses a subscription that leaves it to the default.
        request = {"name": name, "topic": topic, "ack_deadline_seconds": 10, **settings}
        self.subscriber.create_subscription(request=request)
        return name

    def publish(self, topic: str, *payloads: bytes, **attributes: str) -> list[str]:
        futures = [self.publisher.publish(topic, payload, **attributes) for payload in payloads]
        return [future.result(timeout=PATIENCE_SECONDS) for future in futures]

    def pull(self, subscription: str, most: int = 1000) -> list[Any]:
        """What one unary pull gives: nothing, when nothing comes within the server's own wait."""
        response = self.subscriber.pull(subscription=subscription, max_messages=most, timeout=PATIENCE_SECONDS)
        return list(response.received_messages)

    def pull_until(self, subscription: str, number: int, each: Callable[[Any], None] = lambda _: None) -> list[Any]:
        """Pull until so many have come; `each` is called on each as it comes."""
        received: list[Any] = []
        end = time.monotonic() + PATIENCE_SECONDS
        while len(received) < number:
            assert time.monotonic() < end, f"{len(received)} of {number} messages in {PATIENCE_SECONDS} s"
            for one in self.pull(subscription):
                received.append(one)
                each(one)
        return received

    def acknowledge(self, subscription: str, *received: Any) -> None:
        self.subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])

    def nack(self, subscription: str, *received: Any) -> None:
        self.shorten_deadline(subscription, 0, *received)

    def shorten_deadline(self, subscription: str, seconds: int, *received: Any) -> None:
        ack_ids = [one.ack_id for one in received]
        self.subscriber.modify_ack_deadline(subscription=subscription, ack_ids=ack_ids, ack_deadline_seconds=seconds)

    def subscriber_of_large_messages(self) -> SubscriberClient:
        """The client's own channel to an emulator takes no response above 4 MiB."""
        channel = grpc.insecure_channel(self.address, options=[("grpc.max_receive_message_length", -1)])
        return SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))


@contextmanager
def running(command: list[str], ended_with: int) -> Iterator[str]:
    """The first line of a server's output; afterwards it must end on SIGTERM, with that status."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line, f"{command[0]} ended with {process.wait()} before it was ready"
        yield line
    finally:
        process.terminate()
        status = process.wait(timeout=PATIENCE_SECONDS)
        process.stdout.close()
    assert status == ended_with


@pytest.fixture(scope="session")
def embedded_address() -> Iterator[str]:
    command = [sys.executable, "-m", "deploy.local.pubsub", "--port", "0", "--json"]
    with running(command, ended_with=0) as line:
        yield json.loads(line)["address"]


@pytest.fixture(scope="session")
def pstest_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not Path(_GO).exists() or not _PSTEST_SOURCE.is_dir():
        reason = "pstest needs Debian's packages: apt-get install golang-go golang-google-cloud-dev"
        if "CI" in os.environ:
            pytest.fail(f"{reason}; in CI the second opinion is not optional")
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("pstest")
    # Debian's sources are a GOPATH without modules, so that nothing is looked up on a network.
    go = {"GOPATH": str(_GO_PATH), "GO111MODULE": "off", "GOFLAGS": "", "GOCACHE": str(folder / "cache")}
    program = folder / "pstest"
    source = Path(__file__).parent / "pstest" / "main.go"
    command = [_GO, "build", "-o", str(program), str(source)]
    built = subprocess.run(command, env=os.environ | go, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program


@pytest.fixture
def pstest_address(pstest_program: Path) -> Iterator[str]:
    # A fresh one for each test: it starts at once, and a panic takes one test with it rather than all.
    with running([str(pstest_program)], ended_with=-15) as line:
        yield line.strip()


@contextmanager
def _connected(name: str, address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSub]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
    publisher = PublisherClient()
    subscriber = SubscriberClient()
    with subscriber:
        yield PubSub(name, address, publisher, subscriber)
    publisher.stop()
    publisher.transport.close()


@pytest.fixture
def embedded(embedded_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSub]:
    with _connected("embedded", embedded_address, monkeypatch) as pubsub:
        yield pubsub


@pytest.fixture(params=["embedded", "pstest"])
def pubsub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSub]:
    address = request.getfixturevalue(f"{request.param}_address")
    with _connected(request.param, address, monkeypatch) as connected:
        yield connected
