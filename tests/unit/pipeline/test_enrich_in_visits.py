"""A stream with its state and a batch with its order make the same rows of the same history."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from shopstream.pipeline.arrival import Delivery, Line, Received
from shopstream.pipeline.enrich_in_visits import EnrichInVisits
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.validate import validate
from shopstream.schemas import read_settings
from shopstream.schemas.identifiers import make_event_id
from tests.unit.pipeline.test_visits import OWN

START = datetime(2026, 11, 20, tzinfo=UTC)
LATER = START + timedelta(days=3)
SETTINGS = read_settings(PipelineSettings, {"GOOGLE_CLOUD_PROJECT": "shopstream-test", "VISIT_SHARDS": "3"})


def history(random: Random, users: int = 7) -> list[dict[str, Any]]:
    """A few visits of some users, of nobody known, and of nobody at all."""
    events = []
    for number in range(400):
        moment = START + timedelta(minutes=5 * number + random.random())
        event_type = random.choice(sorted(OWN))
        who: dict[str, Any] = {"user_id": f"u-{random.randrange(users)}"}
        if event_type != "consent" and random.random() < 0.3:
            who = random.choice([{"session_id": f"s-{number // 20}"}, {}])
        events.append(
            {
                "event_id": make_event_id(moment, random),
                "event_type": event_type,
                "schema_version": 1,
                "occurred_at": moment.isoformat(),
                "source": "shop",
                **OWN[event_type],
                **who,
                **({"query_id": f"q-{number}"} if event_type == "search" else {}),
            }
        )
    return events


def received(events: Sequence[dict[str, Any]]) -> list[Received]:
    delivery = Delivery("m-1", {}, LATER)
    return [validate(Line(json.dumps(event).encode(), n, delivery), LATER) for n, event in enumerate(events)]


def rows_of(batches: list[list[Received]], directory: Path, *, streaming: bool) -> dict[str, dict[str, Any]]:
    """The rows by event_id."""
    written = directory / f"{streaming}"
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        rows = pipeline | beam.Create(batches) | EnrichInVisits(SETTINGS, lambda: LATER, streaming=streaming)
        rows | beam.FlatMap(lambda batch: [row.document.decode() for row in batch]) | beam.io.WriteToText(str(written))
    rows = [json.loads(line) for part in directory.glob(f"{streaming}-*") for line in part.read_text().splitlines()]
    assert len(rows) == sum(map(len, batches))
    return {row["event_id"]: row for row in rows}


@pytest.mark.parametrize("size", [1, 50])
def test_a_stream_and_a_batch_make_the_same_rows(size: int, tmp_path: Path) -> None:
    events = history(Random(3))
    batches = [received(events[n : n + size]) for n in range(0, len(events), size)]
    in_stream = rows_of(batches, tmp_path, streaming=True)
    in_batch = rows_of(batches[::-1], tmp_path, streaming=False)
    assert len(in_stream) == len(events)
    assert in_stream == in_batch
    visited = [row for row in in_batch.values() if row["event_type"] != "consent"]
    assert sum(row["session_id"] is not None for row in visited) > 250
    assert sum(row.get("first_query_id") is not None for row in visited) > 30


def test_what_is_known_is_filled_in_and_nothing_else_changes(tmp_path: Path) -> None:
    events = history(Random(4))
    rows = rows_of([received(events)], tmp_path, streaming=False)
    for event in events:
        row = rows[event["event_id"]]
        given = set(event) - {"session_id", "occurred_at", "items"}
        assert {name: row[name] for name in given} == {name: event[name] for name in given}
        if event["event_type"] != "consent" and "user_id" in event:
            assert row["session_inferred"] is ("session_id" not in event)
            assert row["session_id"]
    assert {row["normalised_query"] for row in rows.values() if row["event_type"] == "search"} == {"milk"}


@pytest.mark.parametrize(
    ("fields", "traffic"),
    [
        ({"user_id": "test-7"}, "test"),
        ({"source": "synthetic-monitor"}, "test"),
        ({"user_id": "tester"}, None),
        ({"user_id": "test-7", "traffic": "bot"}, "bot"),
    ],
)
def test_test_traffic_is_known_by_how_it_is_called(fields: dict[str, str], traffic: str | None, tmp_path: Path) -> None:
    event = history(Random(5))[0] | {"event_type": "interaction", **OWN["interaction"], **fields}
    (row,) = rows_of([received([event])], tmp_path, streaming=False).values()
    assert row["traffic"] == traffic
