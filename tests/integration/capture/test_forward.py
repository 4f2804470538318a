"""A service without a thread of ours, and `shopstream-capture forward` beside it; and what SIGTERM does to either."""

import json
import signal
import subprocess
from typing import Any

import pytest

from .conftest import Place

FORWARD = "from shopstream.capture.cli import main; main()"
TRACK_UNTIL_TOLD = """
import os, select, sys
from shopstream.capture import exit_on_sigterm, open_capture, search
if "exits" in sys.argv:
    assert exit_on_sigterm()
capture = open_capture()
for number in range(int(sys.argv[1])):
    os.write(1, capture.track(search(query_id=f"q-{number}", query="red wine")).encode() + b"\\n")
os.write(1, b"done\\n")
while not select.select([sys.stdin], [], [], 1)[0]:  # A read would miss a signal that comes just before it.
    pass
"""
APART = {"CAPTURE_FORWARD_IN_PROCESS": "false", "CAPTURE_SEGMENT_BYTES": "65536"}


def lines_until_done(service: "subprocess.Popen[str]") -> list[str]:
    assert service.stdout is not None
    tracked: list[str] = []
    while (line := service.stdout.readline().strip()) != "done":
        assert line
        tracked.append(line)
    return tracked


def service_of(place: Place, events: int, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
    return place.start(TRACK_UNTIL_TOLD, str(events), *arguments, stdin=subprocess.PIPE, **settings)


def test_a_living_service_is_forwarded_by_another_process(place: Any) -> None:
    with service_of(place, 2000, **APART) as service, place.start(FORWARD, "forward", "--json") as forwarder:
        tracked = lines_until_done(service)
        assert place.arrivals.pull(2000) == tracked
        service.kill()
        forwarder.send_signal(signal.SIGTERM)
        output, errors = forwarder.communicate(timeout=60)
    assert forwarder.returncode == 0, errors
    states = [json.loads(line) for line in output.splitlines()]
    assert states[0]["health"]["ok"]
    assert states[-1]["bytes_left"] == 0
    assert states[-1]["counts"]["capture.forwarded"] == 2000


def test_the_last_forwarder_leaves_an_empty_spool_and_a_killed_one_loses_nothing(place: Any) -> None:
    with service_of(place, 5000, **APART) as service:
        with place.start(FORWARD, "forward") as killed:
            assert killed.stdout is not None
            killed.stdout.readline()
            killed.send_signal(signal.SIGKILL)
        tracked = lines_until_done(service)
        service.kill()
    with place.start(FORWARD, "forward", "--json") as forwarder:
        received = place.arrivals.pull(5000)
        forwarder.send_signal(signal.SIGINT)
        forwarder.communicate(timeout=60)
    assert forwarder.returncode == 0
    assert set(received) == set(tracked)
    assert list(place.spool.iterdir()) == []


def test_of_two_forwarders_each_folder_has_exactly_one(place: Any) -> None:
    with (
        place.start(FORWARD, "forward", "--json") as first,
        place.start(FORWARD, "forward", "--json") as second,
    ):
        tracked: list[str] = []
        for _ in range(3):
            with service_of(place, 500, **APART) as service:
                tracked += lines_until_done(service)
                service.kill()
        received = place.arrivals.pull(1500)
        forwarded = []
        for forwarder in (first, second):
            forwarder.send_signal(signal.SIGTERM)
            output, _ = forwarder.communicate(timeout=60)
            assert forwarder.returncode == 0
            forwarded.append(json.loads(output.splitlines()[-1])["counts"]["capture.forwarded"])
    assert sorted(received) == sorted(tracked)
    assert sum(forwarded) == 1500


def test_what_could_not_be_shipped_is_75_and_said_without_payloads(place: Any) -> None:
    place.run(TRACK_UNTIL_TOLD, "10", **APART)
    dead = {
        "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
        "CAPTURE_DRAIN_SECONDS": "0.3",
        "CAPTURE_PUBSUB_TIMEOUT_SECONDS": "0.2",
    }
    with place.start(FORWARD, "forward", "--json", "--every", "0.1", **dead) as forwarder:
        assert forwarder.stdout is not None
        lag = 0
        while lag < 10:
            lag = json.loads(forwarder.stdout.readline())["health"]["backends"][0]["lag_events"]
        forwarder.send_signal(signal.SIGTERM)
        _, errors = forwarder.communicate(timeout=60)
    assert forwarder.returncode == 75
    logged = [json.loads(line) for line in errors.splitlines()]
    assert any("left in the spool" in line["event"] for line in logged)
    assert "red wine" not in errors
    assert place.command("drain").returncode == 0
    assert len(place.arrivals.pull(10)) == 10


def test_a_forwarder_without_a_backend_says_so(place: Any) -> None:
    ended = place.command("forward", CAPTURE_PUBSUB_ENABLED="false")
    assert ended.returncode == 2
    assert "CAPTURE_PUBSUB_ENABLED" in ended.stderr


@pytest.mark.parametrize(("how", "status"), [("", -signal.SIGTERM), ("exits", 128 + signal.SIGTERM)])
def test_sigterm_loses_nothing_and_drains_where_that_was_asked_for(place: Any, how: str, status: int) -> None:
    place.arrivals.suffer("unavailable", 1)
    with service_of(place, 3000, how) as service:
        tracked = lines_until_done(service)
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) == status
    if how:
        assert list(place.spool.iterdir()) == []
    else:
        assert place.command("drain").returncode == 0
    assert set(place.arrivals.pull(3000)) == set(tracked)
    assert list(place.spool.iterdir()) == []
