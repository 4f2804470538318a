"""The collector as a real process, asked over the wire, with everything that arrives behind it."""

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from shopstream.capture.collector.api_keys import new_key
from shopstream.capture.collector.settings import CollectorSettings
from shopstream.schemas.http.server import listen

SERVE = "from shopstream.capture.cli import main; main()"
SERVICE, SERVICE_KEY = new_key("order-service", (), publishable=False, random=Random(1))
SEARCH = {"event_type": "search", "query_id": "q-1", "query": "red wine"}
HEADERS = {"X-Api-Key": SERVICE}


@dataclass
class Running:
    """A collector and where it listens."""

    process: "subprocess.Popen[str]"
    address: str

    def post(self, body: Any, **more: Any) -> httpx.Response:
        return httpx.post(f"{self.address}/v1/events", json=body, headers=HEADERS, timeout=30, **more)

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """End it by SIGTERM; gives how it ended, and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        _, logged = self.process.communicate(timeout=60)
        return self.process.returncode, [json.loads(line) for line in logged.splitlines()]


@pytest.fixture
def new_collector(place: Any) -> Iterator[Callable[..., Running]]:
    processes: list[subprocess.Popen[str]] = []

    def start(**settings: str) -> Running:
        settings = {"CAPTURE_COLLECTOR_PORT": "0", "CAPTURE_COLLECTOR_KEYS": SERVICE_KEY.line()} | settings
        process = place.start(SERVE, "serve", "--json", **settings)
        processes.append(process)
        return Running(process, json.loads(process.stdout.readline())["address"])

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_what_was_answered_as_kept_arrives_and_what_was_not_is_a_failed_event(
    place: Any, new_collector: Callable[..., Running]
) -> None:
    collector = new_collector()
    one = collector.post(SEARCH)
    batch = collector.post([SEARCH, {"event_type": "search"}, SEARCH, SEARCH | {"page": 0}, SEARCH])
    assert (one.status_code, batch.status_code) == (200, 207)
    results = one.json()["data"]["results"] + batch.json()["data"]["results"]
    assert [result["status"] for result in results] == ["kept", "kept", "rejected", "kept", "rejected", "kept"]
    place.arrivals.pull(6)
    events = place.arrivals.events()
    kept = [event["event_id"] for event in events if event.get("source") == "order-service"]
    failed = [event["reason"] for event in events if event.get("stage") == "capture"]
    assert sorted(kept) == sorted(result["event_id"] for result in results if result["status"] == "kept")
    assert sorted(failed) == ["invalid_value", "missing_field"]
    assert len(events) == 6
    code, logged = collector.stop()
    assert code == 0
    requests = [
        (line["status"], line["key"], line.get("kept"), line.get("rejected")) for line in logged if "key" in line
    ]
    assert requests == [(200, "order-service", 1, None), (207, "order-service", 3, 2)]
    assert list(place.spool.iterdir()) == []


def test_killed_after_its_answers_it_has_lost_nothing(place: Any, new_collector: Callable[..., Running]) -> None:
    # A backend that is nowhere: whatever arrives later comes from the spool.
    collector = new_collector(PUBSUB_EMULATOR_HOST="127.0.0.1:1")
    kept: list[str] = []
    with httpx.Client(headers=HEADERS, timeout=30) as client:
        for number in range(20):
            answer = client.post(f"{collector.address}/v1/events", json=[SEARCH | {"query_id": f"q-{number}"}] * 10)
            kept += [result["event_id"] for result in answer.json()["data"]["results"]]
        collector.process.kill()
    collector.process.wait(timeout=30)
    assert len(set(kept)) == 200
    drained = place.command("drain")
    assert drained.returncode == 0, drained.stderr
    assert sorted(place.arrivals.pull(200)) == sorted(kept)


def test_a_body_that_is_too_large_is_told_so_whether_its_length_is_known_or_not(
    new_collector: Callable[..., Running],
) -> None:
    address = new_collector(CAPTURE_COLLECTOR_BODY_BYTES="65536").address
    with httpx.Client(headers=HEADERS, timeout=30) as client:
        for content in (b" " * 3_000_000, iter([b" " * 100_000] * 30)):
            assert client.post(f"{address}/v1/events", content=content).status_code == 413
        assert client.post(f"{address}/v1/events", json=SEARCH).status_code == 200


def test_an_answer_does_not_wait_for_the_clients_acknowledgement_of_its_head() -> None:
    """Nagle's algorithm would make each answer 40 ms late."""
    settings = CollectorSettings.model_validate({"port": 0})
    listening, address = listen(settings.place)
    with listening, socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_sigterm_ends_what_is_under_way_and_takes_no_more(place: Any, new_collector: Callable[..., Running]) -> None:
    collector = new_collector()
    host, port = collector.address.removeprefix("http://").split(":")
    body = json.dumps(SEARCH).encode()
    head = f"POST /v1/events HTTP/1.1\r\nHost: a\r\nX-Api-Key: {SERVICE}\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        slow.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 100")  # Its handler waits for the body.
        collector.process.send_signal(signal.SIGTERM)
        wait_until_refused(host, int(port))
        slow.sendall(body)
        answer = slow.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 200")
    assert collector.process.wait(timeout=60) == 0
    assert len(place.arrivals.pull(1)) == 1


def wait_until_refused(host: str, port: int) -> None:
    while True:
        try:
            socket.create_connection((host, port), timeout=30).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # It was still in the queue of the socket that closed.


def test_what_it_could_not_ship_is_said_and_left_in_the_spool(
    place: Any, new_collector: Callable[..., Running]
) -> None:
    collector = new_collector(PUBSUB_EMULATOR_HOST="127.0.0.1:1", CAPTURE_DRAIN_SECONDS="0.2")
    assert collector.post(SEARCH).status_code == 200
    assert collector.stop()[0] == 75
    assert place.command("drain").returncode == 0
    assert len(place.arrivals.pull(1)) == 1


def test_a_spool_whose_disk_is_gone_is_not_ready_and_answers_503(
    new_collector: Callable[..., Running], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    collector = new_collector(CAPTURE_SPOOL_DIRECTORY=str(blocked / "spool"))
    assert httpx.get(f"{collector.address}/healthz").status_code == 200
    assert httpx.get(f"{collector.address}/readyz").status_code == 503
    answer = collector.post([SEARCH, SEARCH])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["error"]["details"]["results"] == [{"status": "unavailable"}] * 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "no key is set"),
        ({"CAPTURE_COLLECTOR_KEYS": "web"}, "CAPTURE_COLLECTOR_KEYS, key 1"),
        ({"CAPTURE_COLLECTOR_KEYS_FILE": "/nowhere"}, "/nowhere cannot be read"),
        ({"CAPTURE_COLLECTOR_OPEN": "true", "CAPTURE_COLLECTOR_HOST": "192.0.2.1"}, "cannot listen on"),
        ({"CAPTURE_COLLECTOR_OPNE": "true"}, "Did you mean CAPTURE_COLLECTOR_OPEN?"),
        ({"CAPTURE_COLLECTOR_OPEN": "true", "CAPTURE_COLLECTOR_ORIGINS": "shop.example"}, "CAPTURE_COLLECTOR_ORIGINS"),
    ],
)
def test_it_does_not_start_with_settings_that_are_wrong(place: Any, settings: dict[str, str], words: str) -> None:
    ended = place.command("serve", **settings)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert not place.spool.exists()


def test_a_key_from_the_command_opens_the_collector(place: Any, new_collector: Callable[..., Running]) -> None:
    made = place.command("key", "till-7", "--types", "search")
    assert made.returncode == 0
    file = place.spool.parent / "keys"
    file.write_text(f"# the tills\n{made.stdout}")
    collector = new_collector(CAPTURE_COLLECTOR_KEYS_FILE=str(file))
    headers = {"Authorization": f"Bearer {made.stderr.strip()}"}
    assert httpx.post(f"{collector.address}/v1/events", json=SEARCH, headers=headers).status_code == 200
    place.arrivals.pull(1)
    assert [event["source"] for event in place.arrivals.events()] == ["till-7"]


def test_other_commands_pass_over_the_collectors_settings_and_doctor_masks_its_keys(place: Any) -> None:
    settings = {"CAPTURE_COLLECTOR_KEYS": SERVICE_KEY.line(), "CAPTURE_COLLECTOR_PORT": "9090"}
    assert place.command("status", **settings).returncode == 0
    doctor = place.command("doctor", **settings)
    assert "CAPTURE_COLLECTOR_PORT=9090" in doctor.stdout
    assert SERVICE_KEY.sha256.hex() not in doctor.stdout
