"""Events lost, counted at the sink by name: outages, every way a process ends, forks; ours beside the peers."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from signal import Signals
from typing import Any

from .runs import Place, finish, place_of, say
from .subjects import OURS, PEERS

_CLOSE_SECONDS = 30.0
"""A close that takes longer hangs."""
_FORWARD = "from shopstream.capture.cli import main; main()"


@dataclass(frozen=True)
class Scenario:
    """One way to lose events."""

    name: str
    ending: str
    """How the worker ends."""
    pace: float
    """Calls a second at most."""
    outage_seconds: float = 0.0
    ended_by: Signals | None = None


def scenarios(outage_seconds: float) -> list[Scenario]:
    """All of them but the one only we have."""
    return [
        Scenario(f"{outage_seconds:.0f} s outage", "close", 0.0, outage_seconds=outage_seconds),
        Scenario("exit", "return", 1e9),
        Scenario("sys.exit", "sys.exit", 1e9),
        Scenario("unhandled exception", "exception", 1e9),
        Scenario("SIGTERM", "sigterm", 10_000, ended_by=Signals.SIGTERM),
        Scenario("SIGKILL", "sigkill", 10_000, ended_by=Signals.SIGKILL),
        Scenario("fork, 4 children", "fork", 1e9),
    ]


def losses(events: int, peer_events: int, outage_seconds: float, peers: bool) -> list[dict[str, Any]]:
    """A row a scenario, a column a subject: lost, of how many whose call had returned, and how many came twice."""
    rows = []
    for scenario in scenarios(outage_seconds):
        row: dict[str, Any] = {"scenario": scenario.name, OURS: _told(run(OURS, scenario, events))}
        if peers:
            # Together: nobody's time is taken here, and an outage of half a minute is one for all.
            with ThreadPoolExecutor(len(PEERS)) as together:
                found = together.map(partial(run, scenario=scenario, events=peer_events), PEERS)
                row |= dict(zip(PEERS, map(_told, found), strict=True))
        say("  ".join(f"{name}: {value}" for name, value in row.items()))
        rows.append(row)
    killed = forwarder_killed(events)
    rows.append(
        {"scenario": "SIGKILL of the forwarder", OURS: _told(killed)} | dict.fromkeys(PEERS if peers else (), "")
    )
    say(f"SIGKILL of the forwarder  {OURS}: {_told(killed)}")
    return rows


@dataclass(frozen=True)
class Found:
    """What became of the events of one run."""

    tracked: int
    """Calls that had returned."""
    lost: int
    twice: int
    hung: bool


def run(subject: str, scenario: Scenario, events: int) -> Found:
    """One subject through one scenario, with a start afterwards that may ship what a process left."""
    with place_of(subject, CAPTURE_DRAIN_SECONDS="60") as place:
        place.sink.up()
        counter = place.directory / "counter"
        if scenario.outage_seconds:
            return _through_outage(place, scenario, events, counter)
        process = place.start("lose", events=events, pace=scenario.pace, ending=scenario.ending, counter=str(counter))
        if scenario.ended_by is not None:
            _signal_within(process, scenario, events, counter)
        hung = finish(process, _CLOSE_SECONDS + events / 2_000).get("hung", False)
        place.run("restart", patience=_CLOSE_SECONDS * 3)
        tracked = events // 5 * 5 if scenario.ending == "fork" else _counted(counter)
        return _found(place, tracked, hung=hung)


def forwarder_killed(events: int) -> Found:
    """A service without our thread, beside it a forwarder that is killed half way, and another."""
    with place_of(OURS, CAPTURE_FORWARD_IN_PROCESS="false", CAPTURE_DRAIN_SECONDS="60") as place:
        place.sink.up()
        counter = place.directory / "counter"
        first = _forwarder(place)
        service = place.start("lose", events=events, pace=20_000, ending="close", counter=str(counter))
        while _counted(counter) < events // 2 and service.poll() is None:
            time.sleep(0.01)
        first.kill()
        first.wait()
        finish(service, _CLOSE_SECONDS + events / 2_000)
        second = _forwarder(place)
        time.sleep(3)
        second.terminate()
        second.wait()
        return _found(place, _counted(counter), hung=False)


def _forwarder(place: Place) -> "subprocess.Popen[bytes]":
    environ = {
        "CAPTURE_SPOOL_DIRECTORY": str(place.directory / "spool"),
        "CAPTURE_DRAIN_SECONDS": "60",
        "GOOGLE_CLOUD_PROJECT": "shopstream-bench",
        "PUBSUB_EMULATOR_HOST": place.sink.pubsub,
    }
    return subprocess.Popen(
        [sys.executable, "-c", _FORWARD, "forward"],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _through_outage(place: Place, scenario: Scenario, events: int, counter: Path) -> Found:
    seconds = scenario.outage_seconds
    before, after = seconds / 6, seconds / 6
    pace = events / (before + seconds + after)
    process = place.start("lose", events=events, pace=pace, ending=scenario.ending, counter=str(counter))
    while _counted(counter) < pace * before and process.poll() is None:
        time.sleep(0.05)
    place.sink.down()
    time.sleep(seconds)
    place.sink.up()
    hung = finish(process, after + 2 * _CLOSE_SECONDS).get("hung", False)
    return _found(place, _counted(counter), hung=hung)


def _signal_within(process: "subprocess.Popen[str]", scenario: Scenario, events: int, counter: Path) -> None:
    """At a random moment while it tracks."""
    moment = Random(scenario.name).uniform(0.2, 0.8) * events
    while _counted(counter) < moment and process.poll() is None:
        time.sleep(0.01)
    assert scenario.ended_by is not None  # noqa: S101 - asked before
    process.send_signal(scenario.ended_by)


def _found(place: Place, tracked: int, *, hung: bool) -> Found:
    arrived = place.sink.down().arrived
    here = sum(1 for name in arrived if int(name.removeprefix("bench-")) < tracked)
    return Found(tracked, tracked - here, sum(arrived.values()) - len(arrived), hung)


def _counted(counter: Path) -> int:
    try:
        return int.from_bytes(counter.read_bytes()[:4], "little")
    except FileNotFoundError:
        return 0


def _told(found: Found) -> str:
    share = f" ({found.lost / found.tracked:.0%})" if found.lost and found.tracked else ""
    twice = f", {found.twice:,} twice" if found.twice else ""
    return f"{found.lost:,} of {found.tracked:,}{share}{twice}{', hung' if found.hung else ''}"
