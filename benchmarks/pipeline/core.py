"""From bytes to rows on one core, without a runner, beside what bounds it from above."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Union

import msgspec
from pydantic import TypeAdapter

from shopstream.pipeline.arrival import Delivered, Delivery
from shopstream.pipeline.decode import decode
from shopstream.pipeline.enrich import enrich
from shopstream.pipeline.outcome import each
from shopstream.pipeline.validate import validate
from shopstream.pipeline.visits import Visitors, visit_of, visitor_of
from shopstream.schemas import AnyEvent, Stage
from shopstream.schemas.message import pack
from shopstream.schemas.structs import STRUCTS

from .events import START, lines

EVENTS, LINES_PER_MESSAGE, REPETITIONS = 50_000, 500, 5
LATER = START + timedelta(hours=2)


def measure() -> list[dict[str, Any]]:
    """Events a second of each, the best of five, taken in turns."""
    events = list(lines(EVENTS))
    messages = [_message(events[start : start + LINES_PER_MESSAGE]) for start in range(0, EVENTS, LINES_PER_MESSAGE)]
    by_model = TypeAdapter(AnyEvent).validate_json
    by_struct = msgspec.json.Decoder(Union[tuple(STRUCTS.values())]).decode  # noqa: UP007 - a union of a list
    contestants: dict[str, Callable[[], None]] = {
        "a bare loop of pydantic's union": lambda: _exhaust(by_model(line) for line in events),
        "a bare loop of msgspec": lambda: _exhaust(by_struct(line) for line in events),
        "decode → validate → enrich → rows": lambda: _rows(messages),
    }
    best: dict[str, float] = dict.fromkeys(contestants, float("inf"))
    for _ in range(REPETITIONS):
        for name, run in contestants.items():
            gc.collect()
            began = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - began)
    ceiling = best["a bare loop of pydantic's union"]
    return [
        {
            "on one core, without a runner": name,
            "events/s": round(EVENTS / seconds),
            "µs an event": round(seconds / EVENTS * 1e6, 2),
            "share of pydantic's loop, %": round(100 * ceiling / seconds, 1),
        }
        for name, seconds in best.items()
    ]


def _message(events: Sequence[bytes]) -> Delivered:
    packed = pack("mixed", events)
    attributes = {name: value for name, value in packed.attributes.items() if name != "event_type"}
    return Delivered(packed.data, Delivery("m", attributes, LATER))


def _rows(messages: Sequence[Delivered]) -> None:
    validated = each(Stage.VALIDATE, validate)
    visitors: Visitors = {}
    for message in messages:
        events = validated(decode(message, LATER).done, LATER)
        _exhaust(_enriched(events.done, visitors, LATER))


def _enriched(events: Sequence[Any], visitors: Visitors, now: datetime) -> Iterator[Any]:
    for received in events:
        visitor = visitor_of(received.event)
        visit = None if visitor is None else visit_of(visitors, visitor, received.event, now)
        yield enrich(received, visit, ("test-", "synthetic-"), now)


def _exhaust(results: Iterator[Any]) -> None:
    for _ in results:
        pass
