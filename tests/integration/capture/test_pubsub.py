"""Capture against Pub/Sub over the wire, with the real client."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shopstream.capture import Capture, open_capture, search
from shopstream.capture.counters import Counter
from tests.integration.wire import Wire


def track(capture: Capture, count: int) -> list[str | None]:
    return [capture.track(search(query_id=f"q-{number}", query="red wine")) for number in range(count)]


def test_what_is_tracked_arrives_packed(place: Any) -> None:
    with open_capture(place.environment) as capture:
        tracked = track(capture, 2000)
    assert place.arrivals.pull(2000) == tracked
    for message in place.arrivals.messages:
        assert message.attributes["event_type"] == "search"
        assert int(message.attributes["count"]) <= 500
    assert len(place.arrivals.messages) < 100
    assert list(place.spool.iterdir()) == []


def test_a_message_of_one_event_carries_its_cloudevents_names(place: Any) -> None:
    with open_capture(place.environment) as capture:
        (event_id,) = track(capture, 1)
    place.arrivals.pull(1)
    (message,) = place.arrivals.messages
    (event,) = place.arrivals.events()
    assert {name: value for name, value in message.attributes.items() if name.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": "search",
        "ce-source": "search-service",
        "ce-time": event["occurred_at"],
    }


def test_failed_events_arrive_under_their_own_type(place: Any) -> None:
    with open_capture(place.environment) as capture:
        capture.track_line(b"nonsense")
    place.arrivals.pull(1)
    (message,) = place.arrivals.messages
    assert message.attributes["event_type"] == "failed_event"


@pytest.mark.parametrize("fault", ["unavailable", "deadline-exceeded", "resource-exhausted", "hang", "answer-lost"])
def test_a_fault_of_pubsub_loses_nothing(place: Any, fault: str) -> None:
    place.arrivals.suffer(fault, 2)
    with open_capture(place.environment | {"CAPTURE_PUBSUB_TIMEOUT_SECONDS": "0.3"}) as capture:
        tracked = track(capture, 300)
    received = place.arrivals.pull(300)
    assert set(received) == set(tracked)
    assert capture.counts()[Counter.RETRIED] >= 1
    assert capture.counts()[Counter.FORWARDED] == 300
    assert fault == "answer-lost" or len(received) == 300


def test_a_topic_that_is_made_later_gets_everything(place: Any) -> None:
    later = type(place.arrivals)(place.arrivals.address, place.arrivals.project, f"{place.arrivals.name}-later")
    host, _, port = later.address.partition(":")
    wire = Wire(host, int(port))
    settings = place.environment | {"PUBSUB_TOPIC": later.name, "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{wire.port}"}
    capture = open_capture(settings)
    tracked = track(capture, 100)
    assert not capture.drain(0.3)
    wire.set("cut")  # What a topic gets before it has a subscription is nobody's.
    later.create()
    wire.set("open")
    assert capture.close() == 0
    assert later.pull(100) == tracked
    wire.close()


def test_an_outage_is_waited_out(place: Any, own_pubsub: Callable[..., Any], tmp_path: Path) -> None:
    process, address = own_pubsub(0)
    arrivals = type(place.arrivals)(address, place.arrivals.project, place.arrivals.name)
    arrivals.create()
    host, _, port = address.partition(":")
    wire = Wire(host, int(port))
    own = {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{wire.port}", "CAPTURE_SPOOL_DIRECTORY": str(tmp_path / "own")}
    capture = open_capture(place.environment | own)
    before = track(capture, 500)
    assert capture.drain()
    assert arrivals.pull(500) == before
    process.kill()
    process.wait()
    during = track(capture, 500)
    assert not capture.drain(0.5)
    wire.set("cut")  # The new server knows of no subscription yet.
    own_pubsub(int(port))
    again = type(arrivals)(address, arrivals.project, arrivals.name)
    again.create()
    wire.set("open")
    after = track(capture, 500)
    assert capture.close() == 0
    assert again.pull(1000) == during + after
    wire.close()
    assert capture.counts()[Counter.RETRIED] >= 1
