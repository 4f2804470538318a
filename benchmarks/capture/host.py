"""What capture costs the host: CPU time a request of a handler that needs 1 ms, at 200 requests a second."""

from statistics import median
from typing import Any

from .runs import place_of, say
from .subjects import NOTHING, OURS, PEERS

_ROUNDS = 3


def host(requests: int, peers: bool) -> list[dict[str, Any]]:
    """A row a subject, with what it adds to a request that captures nothing, in per cent."""
    found: dict[str, list[float]] = {NOTHING: [], OURS: []}

    def measure(subject: str) -> float:
        with place_of(subject) as place:
            place.sink.up()
            spent = float(place.run("host", requests=requests)["cpu"])
        say(f"{subject:26} {spent:8.1f} µs CPU a request")
        return spent

    for _ in range(_ROUNDS):
        for subject, measured in found.items():
            measured.append(measure(subject))
    for subject in PEERS if peers else ():
        found[subject] = [measure(subject)]
    bare = median(found[NOTHING])
    return [
        {
            "one capture a request": "none" if subject == NOTHING else subject,
            "CPU µs a request": round(median(measured), 1),
            "more than none, %": round((median(measured) / bare - 1) * 100, 1),
        }
        for subject, measured in found.items()
    ]
