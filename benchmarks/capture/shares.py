"""What share of `track` is validation, scrubbing, serialising and the write: each timed alone, on the same events."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from shopstream.capture import intake as way_in
from shopstream.capture import open_capture, utc_now
from shopstream.capture.counters import Counter, Counts
from shopstream.capture.intent import RuleClassifier, intents_by
from shopstream.capture.spool_format import encode_numbered
from shopstream.capture.user_ids import is_plainly_opaque
from shopstream.schemas.identifiers import EventIds
from shopstream.schemas.scrub import scrub_fields
from shopstream.schemas.structs import STRUCTS, may_hold_control_characters

from .events import events

_ROUNDS = 20


def shares() -> list[dict[str, Any]]:
    """A row a part, in µs and as a share of the whole; the rest is calls, locks and bookkeeping."""
    given = events(Random(7))
    now, ids, counts = utc_now(), EventIds(Random(7)), Counts()
    intent_of = intents_by(RuleClassifier())
    struct = STRUCTS["search"]
    writer = b"20261120T120000-4711-0a1b2c3d"

    def envelope(event: dict[str, Any]) -> dict[str, Any]:
        return {"event_id": ids.make(utc_now()), "occurred_at": now, "source": "s", "schema_version": 1, **event}

    whole = [envelope(event) | {"intent": intent_of(event["query"])} for event in given]
    converted = [msgspec.convert(fields, struct) for fields in whole]
    documents = [way_in._write(event) for event in converted]  # noqa: SLF001 - the very function that track uses
    lines = [encode_numbered("search", document, writer, 12345) for document in documents]
    with TemporaryDirectory() as name:
        file = os.open(Path(name) / "floor", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        parts = {
            "envelope: clock, event_id, source": _timed(envelope, given),
            "validation": _timed(lambda fields: msgspec.convert(fields, struct), whole)
            + _timed(may_hold_control_characters, documents),
            "scrubbing and opaque ids": _timed(scrub_fields, whole)
            + _timed(
                lambda event: (is_plainly_opaque(event["user_id"]), is_plainly_opaque(event["session_id"])), given
            ),
            "intent": _timed(lambda event: intent_of(event["query"]), given),
            "serialising, with checksum": _timed(way_in._write, converted)  # noqa: SLF001
            + _timed(lambda document: encode_numbered("search", document, writer, 12345), documents),
            "the write": _timed(lambda line: os.write(file, line), lines),
            "counting": _timed(lambda _: counts.add(Counter.CAPTURED), given),
        }
        os.close(file)
        spool = {"CAPTURE_SPOOL_DIRECTORY": str(Path(name) / "spool"), "CAPTURE_PUBSUB_ENABLED": "false"}
        with open_capture(spool) as capture:
            whole_track = _timed(capture.track, given)
    parts["calls, locks, bookkeeping"] = max(whole_track - sum(parts.values()), 0.0)
    rows = [
        {"part of track": part, "µs": round(spent, 2), "share": f"{spent / whole_track:.0%}"}
        for part, spent in parts.items()
    ]
    return [*rows, {"part of track": "**all of it**", "µs": round(whole_track, 2), "share": "100%"}]


def _timed(part: Callable[[Any], object], given: Iterable[Any]) -> float:
    """µs a call, the best of some rounds: the others are the machine's."""
    listed = list(given)
    best = float("inf")
    for _ in range(_ROUNDS):
        before = time.perf_counter()
        for each in listed:
            part(each)
        best = min(best, time.perf_counter() - before)
    return best / len(listed) * 1e6
