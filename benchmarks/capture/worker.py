"""What is measured of one subject, in a process of its own: `python -m benchmarks.capture.worker REQUEST`, both JSON.

It runs in the environment of its subject; a peer's has nothing of ours in it.
"""

import gc
import json
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from .events import VARIED, Event, events, name_of
from .subjects import SUBJECTS, Address, Subject

CALLS_PER_SECOND = 10_000
_WARM_UP_CALLS = 2_000
_WARM_UP_SECONDS = 1.0
_HANDLER_CPU_SECONDS = 0.001
_MEMORY_SECONDS = 30.0
_MEMORY_BYTES = 1_500_000_000
Request = dict[str, Any]


def latency(subject: Subject, given: list[Event], request: Request) -> Request:
    """Median and 99th percentile of single calls, in µs, at CALLS_PER_SECOND.

    The thread sleeps until each call is due, as a service's thread waits for its next request: others use the core
    and its caches meanwhile. A loop that spins instead finds everything warm and flatters whatever it measures.
    """
    track, clock, step = subject.track, time.perf_counter_ns, 1_000_000_000 // CALLS_PER_SECOND
    warm = time.monotonic() + _WARM_UP_SECONDS
    for number in range(_WARM_UP_CALLS):
        track(given[number % VARIED])
        if time.monotonic() > warm:
            break
    gc.collect()
    spent: list[int] = []
    due = clock() + step
    until = clock() + int(request["seconds"] * 1e9)
    while (now := clock()) < until:
        if now < due:
            time.sleep((due - now) / 1e9)
        event = given[len(spent) % VARIED]
        before = clock()
        track(event)
        after = clock()
        spent.append(after - before)
        due = max(due + step, after - 100 * step)  # Behind for long it does not hurry after.
    spent.sort()
    return {
        "p50": spent[len(spent) // 2] / 1000,
        "p99": spent[len(spent) * 99 // 100] / 1000,
        "calls": len(spent),
    }


def flat_out(subject: Subject, given: list[Event], request: Request) -> Request:
    """Calls a second of a thread that does nothing else, for so many seconds."""
    track = subject.track
    calls, before = 0, time.perf_counter()
    while (spent := time.perf_counter() - before) < request["seconds"]:
        for event in given:
            track(event)
        calls += VARIED
    return {"per_second": calls / spent}


def host(subject: Subject, given: list[Event], request: Request) -> Request:
    """CPU time a request, of all threads, in µs: a handler of 1 ms at 200 requests a second, one event each."""
    for event in given[:20]:
        subject.track(event)
    time.sleep(1.5)  # What is set up with the first send is not the requests'.
    due, before = time.perf_counter(), time.process_time()
    for number in range(request["requests"]):
        due += 1 / 200
        began = time.thread_time()
        while time.thread_time() - began < _HANDLER_CPU_SECONDS:
            pass
        subject.track(given[number % VARIED])
        time.sleep(max(due - time.perf_counter(), 0))
    return {"cpu": (time.process_time() - before) / request["requests"] * 1e6}


def memory(subject: Subject, given: list[Event], request: Request) -> Request:
    """Resident growth over so many events with every backend down, unless its limits are met before; then close."""
    subject.track(given[0])
    gc.collect()
    first = most = _resident()
    began, number = time.monotonic(), 0
    while number < request["events"]:
        subject.track(given[number % VARIED] | {"query_id": name_of(number)})
        number += 1
        if number % 10_000 == 0:
            most = max(most, _resident())
            if most - first > _MEMORY_BYTES or time.monotonic() - began > _MEMORY_SECONDS:
                break
    most = max(most, _resident())
    found = {"tracked": number, "growth": most - first, "threads": threading.active_count()}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()  # Until the sink is up.
    subject.close()
    return {}


def drain(subject: Subject, _: list[Event], __: Request) -> Request:
    """Seconds until everything that lay in the spool is acknowledged."""
    before = time.perf_counter()
    subject.close()
    return {"seconds": time.perf_counter() - before}


def lose(subject: Subject, given: list[Event], request: Request) -> Request:
    """Track numbered events at a pace, tell how many calls have returned, and end as the scenario says."""
    returned = _counter(request["counter"])
    ending, step = request["ending"], 1 / request["pace"]
    if ending == "fork":
        return _fork(subject, given, request)
    due = time.monotonic()
    for number in range(request["events"]):
        subject.track(given[number % VARIED] | {"query_id": name_of(number)})
        returned[:4] = (number + 1).to_bytes(4, "little")
        due += step
        if (ahead := due - time.monotonic()) > 0.002:
            time.sleep(ahead)
    if ending == "sys.exit":
        sys.exit(3)
    if ending == "exception":
        raise RuntimeError("nobody handles this")
    if ending == "close":
        subject.close()
    if ending in ("sigterm", "sigkill"):
        time.sleep(60)  # The signal comes from outside.
    return {}


def _fork(subject: Subject, given: list[Event], request: Request) -> Request:
    """A fifth in the parent, then four children at once with a fifth each; everybody closes."""
    share = request["events"] // 5

    def part(place: int) -> None:
        for number in range(place * share, (place + 1) * share):
            subject.track(given[number % VARIED] | {"query_id": name_of(number)})

    part(0)
    children = []
    for place in range(1, 5):
        child = os.fork()
        if child == 0:
            part(place)
            subject.close()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    subject.close()
    return {}


def nothing(subject: Subject, _: list[Event], __: Request) -> Request:
    """A start, and a close: what a restart ships."""
    subject.close()
    return {}


MEASURES: dict[str, Callable[[Subject, list[Event], Request], Request]] = {
    "latency": latency,
    "flat_out": flat_out,
    "host": host,
    "memory": memory,
    "drain": drain,
    "lose": lose,
    "restart": nothing,
}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def _counter(path: str) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, 4)
    return mmap.mmap(descriptor, 4)


def main() -> None:
    """Measure what the request says and print what was found."""
    request = json.loads(sys.argv[1])
    subject = SUBJECTS[request["subject"]](Address(request["http"], request["pubsub"], request["directory"]))
    found = MEASURES[request["measure"]](subject, events(Random(7)), request)
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    if request["measure"] in ("latency", "flat_out", "host"):
        os._exit(0)  # Nobody waits for what was queued.


if __name__ == "__main__":
    main()
