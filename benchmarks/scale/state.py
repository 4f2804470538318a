"""What the open visits of a shard cost each time one of its bundles comes: all of them are read and written again."""

import time
from datetime import timedelta

from benchmarks.pipeline.events import START, lines
from benchmarks.results import Rows
from shopstream.pipeline.arrival import Delivery, Line
from shopstream.pipeline.enrich_in_visits import _read_visitors, _write_visitors
from shopstream.pipeline.validate import validate
from shopstream.pipeline.visits import Visitors, forget, visit_of, visitor_of

EVENTS_A_VISITOR = 10
_USERS = 20_000
_REPETITIONS = 5


def rows_of_state() -> Rows:
    """Bytes and time of shards that remember ever more visitors."""
    delivery = Delivery("m", {}, START + timedelta(hours=1))
    everybody: Visitors = {}
    for line in lines(_USERS):
        event = validate(Line(line, 0, delivery), delivery.received_at).event
        if visitor := visitor_of(event):
            visit_of(everybody, visitor, event, delivery.received_at)
    return [_row(dict(list(everybody.items())[:count])) for count in (100, 1_000, 10_000)]


def _row(visitors: Visitors) -> dict[str, float]:
    packed = _write_visitors(visitors)
    now = START + timedelta(hours=1)
    best = float("inf")
    for _ in range(_REPETITIONS):
        began = time.perf_counter()
        read = _read_visitors(packed)
        forget(read, now)
        _write_visitors(read)
        best = min(best, time.perf_counter() - began)
    return {
        "visitors of a shard": len(visitors),
        "kB of state": round(len(packed) / 1000, 1),
        "bytes a visitor": round(len(packed) / len(visitors)),
        "ms a bundle": round(best * 1000, 2),
        "µs a visitor": round(best / len(visitors) * 1e6, 2),
    }
