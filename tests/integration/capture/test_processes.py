"""Services as real processes that end in every way a process can end."""

import signal
from random import Random
from typing import Any

import pytest

TRACK_5000 = """
import sys
from shopstream.capture import open_capture, search
def main():
    capture = open_capture()
    for number in range(5000):
        print(capture.track(search(query_id=f"q-{number}", query="red wine")))
main()
"""
ENDINGS = {
    "returns": "",
    "exits": "sys.exit(0)",
    "falls": "raise RuntimeError",
}
TRACK_FOR_EVER = """
import os
from itertools import count
from shopstream.capture import open_capture, search
capture = open_capture()
for number in count():
    event_id = capture.track(search(query_id=f"q-{number}", query="red wine"))
    os.write(1, event_id.encode() + b"\\n")
"""
FORK = """
import os, sys
from shopstream.capture import open_capture, search
capture = open_capture()
def track(count):
    for number in range(count):
        os.write(1, capture.track(search(query_id=f"q-{number}", query="red wine")).encode() + b"\\n")
track(100)
if "drained" in sys.argv:
    capture.drain()
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        track(500)
        if "leaves" in sys.argv:
            os._exit(0)
        sys.exit(0)
    children.append(child)
track(100)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_lost_when_the_service_ends_by_itself(place: Any, ending: str) -> None:
    ended = place.run(TRACK_5000 + ENDINGS[ending])
    assert (ended.returncode, ended.stderr.count("Traceback")) == ((1, 1) if ending == "falls" else (0, 0))
    tracked = ended.stdout.split()
    assert len(set(tracked)) == 5000
    assert place.arrivals.pull(5000) == tracked
    assert list(place.spool.iterdir()) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_when_the_service_is_killed(place: Any, seed: int) -> None:
    wanted = Random(seed).randrange(1, 20_000)
    with place.start(TRACK_FOR_EVER) as process:
        assert process.stdout is not None
        tracked = [process.stdout.readline().strip() for _ in range(wanted)]
        process.send_signal(signal.SIGKILL)
        tracked += process.stdout.read().split()
    assert len(tracked) >= wanted
    drained = place.command("drain")
    assert drained.returncode in {0, 1}, drained.stderr  # 1: the last line was torn.
    assert set(tracked) <= set(place.arrivals.pull(len(tracked)))
    assert list(place.spool.iterdir()) == []


def test_nothing_is_lost_when_the_forwarder_is_killed(place: Any) -> None:
    place.arrivals.suffer("unavailable", 10**6)
    ended = place.run(TRACK_5000, CAPTURE_DRAIN_SECONDS="0")
    tracked = set(ended.stdout.split())
    place.arrivals.suffer("hang", 1)
    with place.start("from shopstream.capture.cli import main; main()", "drain") as forwarder:
        assert "bytes not acknowledged" in place.command("status").stdout
        forwarder.send_signal(signal.SIGKILL)
    place.arrivals.suffer("answer-lost", 1)
    assert place.command("drain").returncode == 0
    assert set(place.arrivals.pull(5000)) == tracked


@pytest.mark.parametrize("drained", ["", "drained"], ids=["cold", "connected"])
@pytest.mark.parametrize("child", ["leaves", "exits"])
def test_nothing_is_lost_when_the_service_forks(place: Any, drained: str, child: str) -> None:
    ended = place.run(FORK, child, drained)
    assert ended.returncode == 0, ended.stderr
    tracked = ended.stdout.split()
    assert len(set(tracked)) == 2200
    assert set(place.arrivals.pull(2200)) == set(tracked)
    assert list(place.spool.iterdir()) == []


def test_the_numbers_of_every_writer_have_no_gap(place: Any) -> None:
    place.run(FORK, "leaves")
    place.arrivals.pull(2200)
    numbers: dict[str, set[int]] = {}
    for event in place.arrivals.events():
        numbers.setdefault(event["writer_id"], set()).add(event["sequence"])
    assert sorted(len(found) for found in numbers.values()) == [200, 500, 500, 500, 500]
    assert all(found == set(range(1, len(found) + 1)) for found in numbers.values())
