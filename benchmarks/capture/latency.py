"""What `track` costs the caller's thread, with the sink healthy, slow and down."""

from collections import defaultdict
from statistics import median
from typing import Any

from benchmarks.results import Rows

from .runs import Place, place_of, say
from .subjects import FLOOR, NOTHING, OURS, OURS_OFF, PEERS

STATES = ("healthy", "slow", "down")
_ROUNDS = 3
"""Ours and the floor are measured so often, turn by turn, and the median counts: the machine has its moods."""


def latency(seconds: float, peers: bool) -> Rows:
    """A row a subject: percentiles in each state in µs, and calls a second flat out with a healthy sink."""
    found: defaultdict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def measure(subject: str, state: str) -> None:
        with place_of(subject) as place:
            _bring(place, state)
            run = place.run("latency", seconds=seconds)
        for name in ("p50", "p99"):
            found[subject][f"{state} {name}"].append(run[name])
        say(f"{subject:26} {state:8} p50 {run['p50']:8.1f} µs  p99 {run['p99']:9.1f} µs  {run['calls']:,} calls")

    for _ in range(_ROUNDS):
        for subject in (NOTHING, FLOOR, OURS_OFF):
            measure(subject, "healthy")
        for state in STATES:
            measure(OURS, state)
    for subject in PEERS if peers else ():
        for state in STATES:
            measure(subject, state)
    for subject, figures in found.items():
        with place_of(subject) as place:
            _bring(place, "healthy")
            figures["flat out"] = [place.run("flat_out", seconds=seconds)["per_second"]]
        say(f"{subject:26} flat out {figures['flat out'][0]:>10,.0f}/s")
    return [_row(subject, figures) for subject, figures in found.items()]


def _bring(place: Place, state: str) -> None:
    if state != "down":
        place.sink.up(slow=state == "slow")


def _row(subject: str, figures: dict[str, list[float]]) -> dict[str, Any]:
    columns: dict[str, Any] = {"calls": subject}
    for state in STATES:
        for name in ("p50", "p99"):
            measured = figures.get(f"{state} {name}")
            columns[f"{state} {name} µs"] = round(median(measured), 1) if measured else ""
    return columns | {"flat out, calls/s": round(figures["flat out"][0])}
