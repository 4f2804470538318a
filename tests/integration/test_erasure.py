"""One user planted in every place there is; erased; and then looked for in every row, object, file and key."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from google.api_core.exceptions import BadRequest
from google.cloud import storage

from deploy.local.stack import LocalStack, beside_python
from shopstream.capture import open_capture
from shopstream.ml_features.warehouse import load_rows
from shopstream.pipeline.access import everything_about
from shopstream.pipeline.cli_privacy import _erase_at_capture
from shopstream.pipeline.clock import utc_now
from shopstream.pipeline.erase import Eraser, buckets
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.personal_rows import STREAMED_ROWS_STAY, personal_tables
from shopstream.pipeline.serve_live import LiveServing
from shopstream.pipeline.storage import connect_to_storage
from shopstream.pipeline.warehouse import change
from shopstream.schemas import FailedEvent, Reason, Rejected, Stage, read_settings
from shopstream.schemas.bigquery_schema import Column
from shopstream.schemas.live.live_session import LiveSession
from shopstream.schemas.rows import failed_row
from shopstream.schemas.serving.views import LIVE_SESSIONS
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import (
    ALL_TABLES,
    ERASED_NUMBERS,
    ERASURES,
    FAILED_TABLE,
    STABLE_TABLES,
    WarehouseTable,
    dataset_id,
)
from tests.integration.commands import run_command
from tests.integration.conftest import Warehouse, address_of
from tests.integration.servers import REDIS_SERVER

USER = 'o\'brien "4711" \\ ü'
OTHER = "o'brien"
WORD = "zanzibarsecret"
"""Stands in everything the user said, and nowhere else."""
SESSION = "session-of-o-brien"
EVENTS_BUCKET, FAILED_BUCKET = "erasure-events", "erasure-failed"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def place(warehouse: Warehouse, storage_address: str, tmp_path: Path, request: pytest.FixtureRequest) -> "Place":
    environment = dict(warehouse.environment) | {
        "STORAGE_EMULATOR_HOST": storage_address,
        "FAILED_EVENTS_BUCKET": FAILED_BUCKET,
        "ERASE_BUCKETS": EVENTS_BUCKET,
        "PRIVACY_KEY": "a key of at least sixteen",
        "CAPTURE_SPOOL_DIRECTORY": str(tmp_path / "spool"),
        "CAPTURE_FORWARD_IN_PROCESS": "false",
        "CAPTURE_FILE_ENABLED": "true",
        "CAPTURE_FILE_PATH": str(tmp_path / "files"),
    }
    # Where there is no Redis nothing of the user can be in it; CI has one.
    if shutil.which(REDIS_SERVER) or "CI" in os.environ:
        environment |= {
            "CAPTURE_REDIS_ENABLED": "true",
            "REDIS_URL": request.getfixturevalue("redis_url"),
            "CAPTURE_REDIS_STREAM": "erasure",
        }
    return Place(warehouse, environment, tmp_path)


class Place:
    """Everything that may hold a user."""

    def __init__(self, warehouse: Warehouse, environment: Mapping[str, str], directory: Path) -> None:
        self.warehouse, self.environment, self.directory = warehouse, environment, directory
        self.settings = read_settings(PipelineSettings, environment)
        self.storage: storage.Client = connect_to_storage(self.settings)
        for bucket in buckets(self.settings):
            if self.storage.lookup_bucket(bucket) is None:
                self.storage.create_bucket(bucket)
            for blob in self.storage.list_blobs(bucket):
                blob.delete()

    def run(self, *arguments: str, user: str = USER) -> subprocess.CompletedProcess[str]:
        """A command of the pipeline that reads the user from its standard input."""
        return run_command("shopstream-pipeline", "privacy", *arguments, environment=self.environment, stdin=user)

    def eraser(self) -> Eraser:
        return Eraser(self.warehouse.client, self.settings, storage=self.storage, elsewhere=_erase_at_capture)

    def plant(self) -> None:
        """Rows, objects, lines and entries of two users, one of whom is to be erased."""
        for table in ALL_TABLES:
            if table not in (ERASURES, ERASED_NUMBERS):
                # A table that is not erased is about nobody, so nobody's words come to stand in it.
                users = (USER, OTHER) if table.table.erase_by else (OTHER,)
                rows = [row_of(table, user, number) for number, user in enumerate(users)]
                if table in STABLE_TABLES.values() or table.table.dataset is Dataset.RAW:
                    unsigned = row_of(table, None, 2)
                    rows.append(unsigned | {"session_id": SESSION})
                if table is FAILED_TABLE:
                    rows = [json.loads(failed_row(failure)) for failure in failures()]
                name = f"{dataset_id(self.settings, table.table.dataset)}.{table.table.name}"
                load_rows(self.warehouse.client, self.warehouse.client.get_table(name), rows)
        self._plant_objects()

    def plant_at_capture(self) -> None:
        """Lines in the spool and in files, and entries of the stream."""
        capture = open_capture(self.environment)
        for fields in events():
            capture.track(fields)
        capture.track_line(json.dumps({"user_id": USER, "event_type": "search", "query": WORD}).encode())
        capture.track_line(f'{{"customer": {json.dumps(USER)}, "what": "{WORD}'.encode())
        capture.close(0)
        self._ship_copies()

    def _plant_objects(self) -> None:
        lines = [json.dumps(fields, ensure_ascii=False).encode() for fields in events()]
        unsigned = json.dumps({**events()[0], "user_id": None, "session_id": SESSION}).encode()
        packed = gzip.compress(b"\n".join([*lines, unsigned]) + b"\n", mtime=0)
        self.storage.bucket(EVENTS_BUCKET).blob("search/date=2026-11-20/a.ndjson.gz").upload_from_string(packed)
        self.storage.bucket(EVENTS_BUCKET).blob("only-hers.ndjson").upload_from_string(lines[0] + b"\n")
        self.storage.bucket(EVENTS_BUCKET).blob("logo.png").upload_from_string(b"no events")
        copies = b"\n".join(failed_row(failure) for failure in failures()) + b"\n"
        name = "failed_events/2026/11/20/a.ndjson.gz"
        self.storage.bucket(FAILED_BUCKET).blob(name).upload_from_string(gzip.compress(copies, mtime=0))

    def _ship_copies(self) -> None:
        """To the files and the Redis stream; Pub/Sub is down, so the spool keeps everything."""
        environment = {**self.environment, "PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "CAPTURE_DRAIN_SECONDS": "1"}
        run_command("shopstream-capture", "drain", "--seconds", "1", environment=environment)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Everything there is, place by place."""
        yield from self._rows()
        yield from self._objects()
        for path in self.directory.rglob("*"):
            if path.is_file():
                yield str(path), spool_text(path.read_bytes())
        if url := self.environment.get("REDIS_URL"):
            client = redis.Redis.from_url(url)
            for key in client.scan_iter():
                yield f"redis {key!r}", repr(client.xrange(key)).encode() if client.type(key) == b"stream" else b"?"

    def _rows(self) -> Iterator[tuple[str, bytes]]:
        client = self.warehouse.client
        for dataset in Dataset:
            for item in client.list_tables(dataset_id(self.settings, dataset)):
                if item.table_type == "TABLE":
                    name = f"{item.project}.{item.dataset_id}.{item.table_id}"
                    for row in self.warehouse.rows(f"SELECT TO_JSON_STRING(t) AS j FROM `{name}` AS t"):  # noqa: S608
                        text = str(row["j"])
                        payload = json.loads(text).get("payload") or ""
                        yield name, text.encode() + b" " + base64.b64decode(payload)

    def _objects(self) -> Iterator[tuple[str, bytes]]:
        for bucket in buckets(self.settings):
            for blob in self.storage.list_blobs(bucket):
                body = blob.download_as_bytes(raw_download=True)
                body = gzip.decompress(body) if blob.name.endswith(".gz") else body
                payloads = [json.loads(line).get("payload") for line in body.splitlines() if line.startswith(b"{")]
                yield f"{bucket}/{blob.name}", body + b"".join(base64.b64decode(each) for each in payloads if each)

    def holding(self, *needles: str) -> set[str]:
        """The places where one of these stands, in whatever form JSON gives it."""
        forms = [
            json.dumps(needle, ensure_ascii=escaped)[1:-1].encode() for needle in needles for escaped in (True, False)
        ]
        return {name for name, content in self.contents() if any(form in content for form in forms)}


def spool_text(content: bytes) -> bytes:
    """With what failed events hold in base64."""
    found = content
    for line in content.splitlines():
        start = line.find(b"{")
        try:
            payload = json.loads(line[start:]).get("payload")
        except (ValueError, AttributeError):
            continue
        found += base64.b64decode(payload or "")
    return found


def event_id(number: int) -> str:
    return f"01a1f640-f3c5-79e9-a5b7-{number:012x}"


def events() -> list[dict[str, Any]]:
    common = {"event_type": "search", "occurred_at": utc_now().isoformat(), "source": "shop"}
    hers, his = (USER, WORD, SESSION), (OTHER, "red", "other")
    return [
        {**common, "query_id": f"q-{n}", "query": f"{word} shoes", "user_id": user, "session_id": session}
        for n, (user, word, session) in enumerate([hers, his, hers])
    ]


def failures() -> list[FailedEvent]:
    rejection = Rejected(Reason.MISSING_FIELD, "query is missing", field="query")
    payloads = [
        json.dumps({"user_id": USER, "query": WORD}).encode(),
        json.dumps({"customer": [USER], "query": WORD}, ensure_ascii=False).encode() + b"\xff",
        json.dumps({"user_id": OTHER, "query": "red"}).encode(),
    ]
    return [
        FailedEvent.of(
            Stage.VALIDATE, rejection, payload, NOW, otherwise=f"00000000-0000-7000-8000-{number:012}", received_at=NOW
        )
        for number, payload in enumerate(payloads)
    ]


def row_of(table: WarehouseTable, user: str | None, number: int) -> dict[str, Any]:
    """A row of any table: every column filled, the user's words in each text that is no identity."""
    row = {column["name"]: value_of(column, user, number) for column in table.columns}
    if "event_id" in row:
        row["event_id"] = event_id(number)
    if "writer_id" in row:
        row["writer_id"] = f"writer-{number}"
    if "session_id" in row:
        row["session_id"] = SESSION if user == USER else f"session-{number}"
    return row


def value_of(column: Column, user: str | None, number: int) -> Any:
    if column["name"] == "user_id":
        return user
    value: Any = {
        "STRING": f"{WORD} {USER}" if user == USER else f"text {number}",
        "INTEGER": number + 1,
        "FLOAT": 0.5,
        "BOOLEAN": False,
        "NUMERIC": "1",
        "TIMESTAMP": NOW.isoformat(),
        "DATE": NOW.date().isoformat(),
        "JSON": None,
        "RECORD": {inner["name"]: value_of(inner, user, number) for inner in column.get("fields", ())},
    }[column["type"]]
    return [value] if column["mode"] == "REPEATED" else value


def test_nothing_of_an_erased_user_is_found_anywhere(
    place: Place, stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    place.plant()
    place.plant_at_capture()
    before = place.holding(USER, WORD)
    personal = {each.place for each in personal_tables(place.settings)}
    assert personal <= before
    assert len([name for name in before if "spool" in name or "files" in name or name.startswith("redis")]) >= 2
    others = place.holding(OTHER + '"')

    # Rows streamed in lately cannot be deleted yet: all else is, and views show the user no more.
    moment = NOW + timedelta(minutes=10)
    eraser = place.eraser()
    eraser.request(USER, "request-1", moment)
    (first,) = eraser.run(moment)
    assert first.done_at is None
    assert {each.place for each in first.places if each.remaining} == {
        each.place for each in personal_tables(place.settings) if each.streamed_at
    }
    for event_type, table in STABLE_TABLES.items():
        view = f"{dataset_id(place.settings, Dataset.VIEWS)}.{table.table.name}"
        shown = {row["user_id"] for row in place.warehouse.rows(f"SELECT user_id FROM `{view}`")}  # noqa: S608
        assert USER not in shown, event_type
    assert USER not in {
        row["user_id"] for row in place.warehouse.rows("SELECT user_id FROM `{failed}.failed_events_once`")
    }

    # Later they are.
    (done,) = eraser.run(moment + STREAMED_ROWS_STAY)
    assert (done.done_at, done.user_id) == (moment + STREAMED_ROWS_STAY, None)
    assert not any(each.remaining for each in done.places)
    found = {each.place: each.found for each in done.places}
    assert all(found[name] >= 1 for name in personal)
    assert found[f"gs://{EVENTS_BUCKET}"] == 4
    assert found[f"gs://{FAILED_BUCKET}"] == 2
    assert found[f"spool {place.directory}/spool"] == 4
    assert done.time_travel_hours == 168
    assert eraser.run(moment + STREAMED_ROWS_STAY) == []

    assert place.holding(USER, WORD, SESSION) == set()
    logs = [path.read_bytes() for path in stack.directory.glob("*.log")]
    assert logs
    assert not any(WORD.encode() in log for log in logs)
    assert {name for name in others if "only-hers" not in name} == place.holding(OTHER + '"'), "nobody else is touched"
    assert place.storage.bucket(EVENTS_BUCKET).get_blob("logo.png") is not None


def test_an_erased_user_does_not_come_back_with_a_late_event_or_a_replay(place: Place) -> None:
    file = place.directory / "late.ndjson"
    numbered = [
        {
            **fields,
            "event_id": event_id(n),
            "schema_version": 1,
            "writer_id": "w",
            "sequence": n + 1,
        }
        for n, fields in enumerate(events())
    ]
    wrong = {"event_type": "search", "user_id": USER, "query": WORD}
    file.write_text("".join(json.dumps(each, separators=(",", ":")) + "\n" for each in [*numbered, wrong]))
    assert place.run("erase", "-").returncode == 0
    done = subprocess.run(
        [str(beside_python("shopstream-pipeline")), "backfill", str(file), "--json"],
        env={"PATH": os.environ["PATH"], **place.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    counts = json.loads(done.stdout)
    assert (counts["events_stored"], counts["events_failed"]) == (1, 3)
    file.unlink()
    assert place.holding(USER, WORD) == set()
    failed = place.warehouse.rows("SELECT reason, payload, payload_bytes, sequence FROM `{failed}.failed_events`")
    assert {row["reason"] for row in failed} == {"erased_user"}
    assert {(row["payload"], row["payload_bytes"]) for row in failed} == {("", 0)}
    # What is left is the number, so that the ledger adds up.
    assert {row["sequence"] for row in failed} == {1, 3, None}


def test_numbers_of_erased_events_are_not_taken_for_lost(place: Place) -> None:
    place.plant()
    entry = {
        "event_type": "ledger_entry",
        "event_id": "01a1f640-f3c5-79e9-a5b7-00000000ffff",
        "schema_version": 1,
        "source": "shop",
        "writer_id": "w",
        "first_sequence": 1,
        "last_sequence": 2,
        "closing": True,
        **dict.fromkeys(("occurred_at", "received_at", "ingested_at", "began_at"), NOW.isoformat()),
    }
    raw = {str(table): table for table in ALL_TABLES if table.table.dataset is Dataset.RAW}
    for name in raw:
        place.warehouse.rows(f"DELETE FROM `{{raw}}.{name}` WHERE TRUE")  # noqa: S608 - our own name
    place.warehouse.rows("DELETE FROM `{failed}.failed_events` WHERE TRUE")
    numbers = [{"writer_id": "w", "sequence": 1}, {"writer_id": "w", "sequence": 2}]
    entry |= {"skipped": 0, "dropped": 0}
    searches = [row_of(raw["searches"], user, n) | numbers[n] for n, user in enumerate((USER, OTHER))]
    for name, rows in (("ledger", [entry]), ("searches", searches)):
        table = place.warehouse.client.get_table(f"{dataset_id(place.settings, Dataset.RAW)}.{name}")
        load_rows(place.warehouse.client, table, rows)
    eraser = place.eraser()
    eraser.request(USER, "request-1", NOW)
    eraser.run(NOW + timedelta(days=1))
    (balance,) = place.warehouse.rows(
        "SELECT numbered, stored, erased, missing FROM `{views}.ledger_balance` WHERE writer_id = 'w'"
    )
    assert balance == {"numbered": 2, "stored": 1, "erased": 1, "missing": 0}


def test_the_command_certifies_in_counts_and_says_what_is_left_for_later(place: Place) -> None:
    place.plant()
    done = place.run("erase", "-", "--json")
    assert done.returncode == 0, done.stderr
    (certificate,) = json.loads(done.stdout)
    assert "user_id" not in certificate
    assert USER not in done.stdout + done.stderr
    assert certificate["done_at"] is not None
    assert sum(each["found"] for each in certificate["places"]) > 30
    listed = place.run("list")
    assert certificate["tombstone"] in listed.stdout
    assert "readable for 168 hours" in listed.stdout
    assert "no request is open" in place.run("run").stdout


def test_a_user_who_is_not_there_is_certified_as_that(place: Place) -> None:
    done = place.run("erase", "-", user="nobody-knows-me")
    assert done.returncode == 0
    assert "nothing of this user was found" in done.stdout


def test_what_is_served_of_a_user_goes_too(place: Place, own_redis: redis.Redis) -> None:
    place.environment = {**place.environment, "REDIS_ENABLED": "true", "REDIS_URL": address_of(own_redis)}
    place.environment = {**place.environment, "CAPTURE_REDIS_ENABLED": "false"}
    serving = LiveServing(read_settings(PipelineSettings, place.environment), lambda: NOW)
    counts: dict[str, Any] = dict.fromkeys(("searches", "views", "clicks", "cart_adds", "orders"), 0)
    times: dict[str, Any] = dict.fromkeys(("computed_at", "started_at", "ended_at"), NOW)
    sessions = [LiveSession(session_id=user, user_id=user, events=1, **times, **counts) for user in (USER, OTHER)]
    assert serving.write(LIVE_SESSIONS, sessions)
    serving.close()
    done = place.run("erase", "-")
    assert re.search(r"1 found +0 left  served features", done.stdout), done.stdout
    assert list(own_redis.keys("shopstream:rows:*")) == [f"shopstream:rows:live_sessions:live:{OTHER}".encode()]
    own_redis.config_set("requirepass", "changed")
    refused = place.run("erase", "-", user=OTHER)
    assert (refused.returncode, "Redis does not answer" in refused.stderr) == (75, True)


@pytest.mark.parametrize("user", ["", "u" * 1_000_000, "two\nlines"])
def test_what_is_no_user_id_is_one_sentence(place: Place, user: str) -> None:
    done = place.run("erase", "-", user=user)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("1 to 256 characters, none of them a control character")
    assert place.eraser().requests() == []


def test_without_a_key_nothing_is_begun(place: Place) -> None:
    place.environment = {name: value for name, value in place.environment.items() if name != "PRIVACY_KEY"}
    done = place.run("erase", "-")
    assert done.returncode == 2
    assert "PRIVACY_KEY is not set" in done.stderr
    assert place.eraser().requests() == []


def test_a_user_gets_everything_that_is_kept(place: Place) -> None:
    place.plant()
    tables = personal_tables(place.settings)
    named = buckets(place.settings)
    given = list(everything_about(place.warehouse.client, tables, USER, place.storage, named))
    assert {name for name, _ in given} == {each.place for each in tables} | {f"gs://{bucket}" for bucket in named}
    assert not any(row.get("user_id") == OTHER for _, row in given)
    shown = place.run("export", "-")
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) == len(given)


def test_who_came_back_past_the_job_is_erased_again(place: Place) -> None:
    assert place.run("erase", "-").returncode == 0
    searches = next(each for each in ALL_TABLES if str(each) == "searches")
    row = row_of(searches, USER, 0) | dict.fromkeys(("received_at", "ingested_at"), utc_now().isoformat())
    table = place.warehouse.client.get_table(f"{dataset_id(place.settings, Dataset.RAW)}.searches")
    load_rows(place.warehouse.client, table, [row])
    # And a feature job that had begun before writes a row.
    profiles = next(each for each in ALL_TABLES if str(each) == "profiles")
    row = row_of(profiles, OTHER, 1) | {"user_id": USER, "as_of": utc_now().date().isoformat()}
    table = place.warehouse.client.get_table(f"{dataset_id(place.settings, Dataset.FEATURES)}.profiles")
    load_rows(place.warehouse.client, table, [row])
    assert place.eraser().returned_users() == [USER]
    assert place.run("run").returncode == 1, "too young to be deleted"
    assert place.warehouse.rows("SELECT user_id FROM `{views}.searches`") == []
    place.eraser().run(utc_now() + STREAMED_ROWS_STAY * 2)
    assert place.holding(USER, WORD) == set()


def test_unsigned_rows_that_must_wait_are_found_when_the_signed_ones_are_gone(place: Place) -> None:
    searches = next(each for each in ALL_TABLES if str(each) == "searches")
    old, young = NOW - timedelta(days=1), NOW
    signed = row_of(searches, USER, 0) | {"session_id": SESSION, "ingested_at": old.isoformat()}
    unsigned = row_of(searches, None, 1) | {"session_id": SESSION, "ingested_at": young.isoformat()}
    table = place.warehouse.client.get_table(f"{dataset_id(place.settings, Dataset.RAW)}.searches")
    load_rows(place.warehouse.client, table, [signed, unsigned])
    eraser = place.eraser()
    eraser.request(USER, "request-1", NOW)
    (first,) = eraser.run(NOW)
    assert (first.done_at, sum(each.remaining for each in first.places)) == (None, 1)
    (second,) = eraser.run(NOW + STREAMED_ROWS_STAY * 2)
    assert second.done_at is not None
    assert place.holding(SESSION) == set()


def test_rows_that_bigquery_will_not_delete_yet_wait_for_the_next_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator has no streaming buffer, so its refusal is played."""
    place.plant()
    refusing = f"{dataset_id(place.settings, Dataset.FAILED)}.failed_events"

    def change_or_refuse(client: Any, statement: str, what: str, parameters: Any = ()) -> int:
        if statement.startswith(f"DELETE FROM `{refusing}`"):  # noqa: S608 - compared, not run
            raise BadRequest("UPDATE or DELETE statement over table would affect rows in the streaming buffer")
        return change(client, statement, what, parameters)

    eraser = place.eraser()
    eraser.request(USER, "request-1", NOW)
    with monkeypatch.context() as patched:
        patched.setattr("shopstream.pipeline.warehouse.change", change_or_refuse)
        (first,) = eraser.run(NOW + timedelta(days=1))
    assert {each.place for each in first.places if each.remaining} == {refusing}
    (second,) = eraser.run(NOW + timedelta(days=1))
    assert second.done_at is not None
    assert next(each.found for each in second.places if each.place == refusing) == 2
