"""The sink against a BigQuery that answers as told: over the wire, with the real client."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from apache_beam.pvalue import TaggedOutput

from shopstream.pipeline.arrival import Delivery, Line, Row
from shopstream.pipeline.clock import utc_now
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tombstones import Tombstones, nobody
from shopstream.pipeline.write_failed import WriteFailed
from shopstream.pipeline.write_streaming import WriteEvents
from shopstream.schemas import FailedEvent, Reason, Rejected, Stage, Unavailable, read_settings
from tests.integration.scripted_bigquery import ACCEPTED, ScriptedBigQuery, scripted_bigquery

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def bigquery() -> Iterator[ScriptedBigQuery]:
    with scripted_bigquery() as script:
        yield script


def rows_of(bigquery: ScriptedBigQuery) -> list[str]:
    return [row_id for request in bigquery.ids() for row_id in request]


def settings(address: str) -> PipelineSettings:
    return read_settings(
        PipelineSettings,
        {
            "GOOGLE_CLOUD_PROJECT": "shopstream-test",
            "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
            "BIGQUERY_EMULATOR_HOST": address,
        },
    )


def row(number: int, size: int = 10) -> Row:
    event_id = f"00000000-0000-7000-8000-{number:012}"
    line = Line(json.dumps({"event_id": event_id}).encode(), number, Delivery("m", {}, NOW))
    return Row(event_id, "interaction", NOW, json.dumps({"event_id": event_id, "text": "x" * size}).encode(), line)


def write(rows: list[Row], address: str, retry_seconds: float = 30) -> list[FailedEvent]:
    """One bundle through the sink; what left at the failure door. The others go on as stored."""
    sink = WriteEvents(settings(address), lambda: NOW, retry_seconds)
    sink.setup()
    sink.start_bundle()
    left: list[Any] = [*sink.process(rows), *sink.finish_bundle()]
    sink.teardown()
    failed = [output.value for output in left if isinstance(output, TaggedOutput)]
    failed = [getattr(value, "value", value) for value in failed]
    batches = [getattr(output, "value", output) for output in left if not isinstance(output, TaggedOutput)]
    refused = {failure.event_id for failure in failed}
    assert [one for batch in batches for one in batch] == [one for one in rows if one.event_id not in refused]
    return failed


def test_requests_hold_at_most_500_rows_and_every_insert_id_is_the_event_id(bigquery: ScriptedBigQuery) -> None:
    rows = [row(number) for number in range(1201)]
    assert write(rows, bigquery.address) == []
    assert [len(request["rows"]) for request in bigquery.requests] == [500, 500, 201]
    assert rows_of(bigquery) == [one.event_id for one in rows]


def test_requests_stay_below_9_megabytes(bigquery: ScriptedBigQuery) -> None:
    write([row(number, size=1_000_000) for number in range(20)], bigquery.address)
    assert all(len(json.dumps(request["rows"])) < 9_500_000 for request in bigquery.requests)
    assert len(rows_of(bigquery)) == 20


@pytest.mark.parametrize("status", [429, 500, 503, 404])
def test_what_passes_is_tried_again_and_nothing_is_lost(bigquery: ScriptedBigQuery, status: int) -> None:
    bigquery.answer = lambda _: (status, {}) if len(bigquery.requests) <= 2 else ACCEPTED
    assert write([row(1), row(2)], bigquery.address) == []
    assert len(bigquery.requests) == 3
    assert bigquery.requests[0] == bigquery.requests[2]


def test_a_deadline_ends_the_bundle_so_that_the_messages_come_again(bigquery: ScriptedBigQuery) -> None:
    bigquery.answer = lambda _: (503, {})
    with pytest.raises(Unavailable, match="interactions"):
        write([row(1)], bigquery.address, retry_seconds=0.5)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        write([row(1)], "http://127.0.0.1:1", retry_seconds=0.5)


def test_a_refused_row_becomes_a_failed_event_and_its_neighbours_are_stored(bigquery: ScriptedBigQuery) -> None:
    refusal = {"index": 1, "errors": [{"reason": "invalid", "location": "text", "message": "the secret value"}]}
    bigquery.answer = lambda _: (200, {"insertErrors": [refusal]})
    (failure,) = write([row(1), row(2), row(3)], bigquery.address)
    assert (failure.event_id, failure.stage, failure.reason) == (row(2).event_id, Stage.WRITE, Reason.ROW_REFUSED)
    assert failure.field == "text"
    assert "secret" not in failure.detail


def test_a_request_refused_as_a_whole_is_halved_until_the_row_to_blame_is_found(bigquery: ScriptedBigQuery) -> None:
    to_blame = row(7).event_id
    bigquery.answer = lambda body: (400, {}) if any(r["insertId"] == to_blame for r in body["rows"]) else ACCEPTED
    failures = write([row(number) for number in range(16)], bigquery.address)
    assert [failure.event_id for failure in failures] == [to_blame]
    taken = [request for request in bigquery.requests if all(r["insertId"] != to_blame for r in request["rows"])]
    assert sorted(r["insertId"] for request in taken for r in request["rows"]) == sorted(
        row(number).event_id for number in range(16) if number != 7
    )


def test_a_failed_event_that_cannot_be_written_stops_the_bundle(bigquery: ScriptedBigQuery) -> None:
    bigquery.answer = lambda _: (200, {"insertErrors": [{"index": 0, "errors": [{"reason": "invalid"}]}]})
    sink = WriteFailed(settings(bigquery.address), Tombstones(nobody, None), utc_now)
    sink.setup()
    sink.start_bundle()
    sink.process(
        FailedEvent.of(
            Stage.DECODE,
            Rejected(Reason.MALFORMED_JSON, "the line is not JSON"),
            b"{",
            NOW,
            otherwise=row(1).event_id,
        )
    )
    with pytest.raises(RuntimeError, match="unacknowledged"):
        list(sink.finish_bundle())
