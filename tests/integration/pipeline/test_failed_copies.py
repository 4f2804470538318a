"""Failed events in Cloud Storage, over the wire to its emulator, and in the log."""

import gzip
import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from gcp_storage_emulator.server import create_server  # type: ignore[import-untyped]
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from shopstream.pipeline.clock import utc_now
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tombstones import Tombstones, nobody
from shopstream.pipeline.write_failed import WriteFailed, write_copies
from shopstream.schemas import FailedEvent, Reason, Rejected, Stage, Unavailable, read_settings
from tests.integration.scripted_bigquery import ScriptedBigQuery, scripted_bigquery

NOW = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
BUCKET = "shop-failed-events"


@pytest.fixture
def address() -> Iterator[str]:
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    host, port = server._api._httpd.socket.getsockname()[:2]
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bigquery() -> Iterator[ScriptedBigQuery]:
    with scripted_bigquery() as script:
        yield script


def settings(bigquery: str, storage_address: str) -> PipelineSettings:
    return read_settings(
        PipelineSettings,
        {
            "GOOGLE_CLOUD_PROJECT": "shopstream-test",
            "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
            "BIGQUERY_EMULATOR_HOST": bigquery,
            "STORAGE_EMULATOR_HOST": storage_address,
            "FAILED_EVENTS_BUCKET": BUCKET,
            "DATAFLOW_JOB_NAME": "shop-stream",
        },
    )


def failure(number: int, stage: Stage = Stage.VALIDATE) -> FailedEvent:
    rejection = Rejected(Reason.MISSING_FIELD, "query is missing", field="query")
    event_id = f"00000000-0000-7000-8000-{number:012}"
    return FailedEvent.of(stage, rejection, b"{}", NOW, otherwise=event_id, received_at=NOW)


def write(failures: list[FailedEvent], given: PipelineSettings) -> None:
    """One bundle."""
    sink = WriteFailed(given, Tombstones(nobody, None), utc_now, retry_seconds=5)
    sink.setup()
    sink.start_bundle()
    for each in failures:
        sink.process(each)
    (written,) = sink.finish_bundle()
    assert written.value == [each.model_copy(update={"job": sink_job(each, given)}) for each in failures]
    sink.teardown()


def sink_job(failure: FailedEvent, given: PipelineSettings) -> str | None:
    return None if failure.stage is Stage.CAPTURE else given.dataflow_job_name


def copies(address: str) -> dict[str, list[dict[str, object]]]:
    client = storage.Client(
        "shopstream-test",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": address},
    )
    return {
        blob.name: [
            json.loads(line) for line in gzip.decompress(blob.download_as_bytes(raw_download=True)).splitlines()
        ]
        for blob in client.list_blobs(BUCKET)
    }


def test_each_is_copied_as_it_is_in_the_table(address: str, bigquery: ScriptedBigQuery) -> None:
    write([failure(1), failure(2, Stage.CAPTURE)], settings(bigquery.address, address))
    ((name, rows),) = copies(address).items()
    assert name.startswith("failed_events/2026/11/20/")
    assert [row["event_id"] for row in rows] == [failure(1).event_id, failure(2).event_id]
    assert [row["job"] for row in rows] == ["shop-stream", None]
    assert rows == [row["json"] for request in bigquery.requests for row in request["rows"]]


def test_a_bundle_that_is_written_again_makes_no_second_object(address: str, bigquery: ScriptedBigQuery) -> None:
    for _ in range(2):
        write([failure(1)], settings(bigquery.address, address))
    assert len(copies(address)) == 1


def test_a_bundle_ends_only_when_its_copies_are_there(bigquery: ScriptedBigQuery) -> None:
    nowhere = settings(bigquery.address, "http://127.0.0.1:1")
    with pytest.raises(Unavailable, match=BUCKET):
        write_copies(nowhere, BUCKET, {date(2026, 11, 20): [b"{}"]})


def test_a_bundle_with_failures_says_so_in_the_log(
    address: str, bigquery: ScriptedBigQuery, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        write([failure(1), failure(2), failure(3, Stage.CAPTURE)], settings(bigquery.address, address))
        write([], settings(bigquery.address, address))
    (line,) = [record for record in caplog.records if record.message == "events failed"]
    assert vars(line)["events"] == 3
    assert vars(line)["by_reason"] == {"validate/missing_field": 2, "capture/missing_field": 1}
