"""The Storage Write API over the wire, with the real client: the same rows as streaming inserts, each once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery
from msgspec.structs import replace

from shopstream.pipeline.append_once import Cursor, Writing, write
from shopstream.pipeline.arrival import Delivery, Line, Row
from shopstream.pipeline.arrow_rows import arrow_schema, record_batch
from shopstream.pipeline.enrich import enrich
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.validate import validate
from shopstream.pipeline.warehouse import find_stored, insert_rows
from shopstream.pipeline.write_streams import AlreadyWritten, StreamGone, WriteStreams
from shopstream.schemas import EVENT_TYPES, Unavailable, read_settings
from shopstream.schemas.warehouse import RAW_TABLES, raw_table_id
from tests.integration.conftest import Warehouse

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
GOLDEN = Path(__file__).parents[2] / "golden"


def golden_rows(event_type: str) -> list[Row]:
    lines = (GOLDEN / event_type / "valid.ndjson").read_bytes().splitlines()
    delivery = Delivery("m-1", {}, NOW)
    return [enrich(validate(Line(line, n, delivery), NOW), None, (), NOW) for n, line in enumerate(lines)]


def many_rows(count: int) -> list[Row]:
    """Interactions under different event_ids."""
    (first, *_) = golden_rows("interaction")
    rows = []
    for number in range(count):
        event_id = f"{first.event_id[:-12]}{number:012x}"
        document = json.dumps(json.loads(first.document) | {"event_id": event_id}).encode()
        rows.append(replace(first, event_id=event_id, document=document))
    return rows


@dataclass
class Rig:
    """A table to write to."""

    warehouse: Warehouse
    streams: WriteStreams

    def writing(self, rows: list[Row], cursor: Cursor | None = None) -> Writing:
        (event_type,) = {row.event_type for row in rows}
        columns = RAW_TABLES[event_type].columns
        table = raw_table_id(self.warehouse.settings, event_type)
        return Writing(table, arrow_schema(columns), list(rows), cursor and Cursor(*astuple(cursor)))

    def write(self, rows: list[Row], cursor: Cursor | None = None) -> Writing:
        one = self.writing(rows, cursor)
        write(one, self.streams, lambda table, asked: find_stored(self.warehouse.client, table, asked), lambda: NOW)
        return one

    def stored(self, event_type: str) -> list[dict[str, Any]]:
        name = RAW_TABLES[event_type].table.name
        return self.warehouse.rows(f"SELECT * FROM `{{raw}}.{name}` ORDER BY event_id")  # noqa: S608 - our own name


def astuple(cursor: Cursor) -> tuple[str, int, datetime]:
    return cursor.stream, cursor.offset, cursor.doubted_until


@pytest.fixture
def rig(warehouse: Warehouse) -> Iterator[Rig]:
    streams = WriteStreams(warehouse.settings)
    yield Rig(warehouse, streams)
    streams.close()


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_both_sinks_store_the_same_rows(event_type: str, rig: Rig) -> None:
    rows = golden_rows(event_type)
    client: bigquery.Client = rig.warehouse.client
    table = raw_table_id(rig.warehouse.settings, event_type)
    assert insert_rows(client, table, [row.document for row in rows], [row.event_id for row in rows]) == []
    inserted = rig.stored(event_type)
    client.query(f"DELETE FROM `{table}` WHERE TRUE", timeout=60, retry=None).result(timeout=60)  # noqa: S608 - our own
    assert rig.write(rows).stored == len(rows)
    assert rig.stored(event_type) == inserted
    assert len(inserted) == len(rows)


def test_bundles_go_to_one_stream_over_one_connection(rig: Rig) -> None:
    rows = many_rows(30)
    first = rig.write(rows[:10])
    second = rig.write(rows[10:], first.cursor)
    assert first.cursor is not None
    assert second.cursor is not None
    assert (second.cursor.stream, second.cursor.offset) == (first.cursor.stream, 30)
    assert len(rig.stored("interaction")) == 30


def test_many_streams_are_open_at_a_time(rig: Rig) -> None:
    rows = many_rows(40)
    cursors = [rig.write([row]).cursor for row in rows]
    assert len({cursor.stream for cursor in cursors if cursor}) == 40
    assert len(rig.stored("interaction")) == 40


def test_a_retried_bundle_is_rejected_by_its_offset_and_counts_as_written(rig: Rig) -> None:
    rows = many_rows(20)
    before = rig.write(rows[:10]).cursor
    rig.write(rows[10:], before)
    again = rig.write(rows[10:], before)
    assert (again.stored, again.repeats) == (0, 10)
    assert len(rig.stored("interaction")) == 20


def test_a_retried_bundle_with_other_rows_repeats_none(rig: Rig) -> None:
    rows = many_rows(20)
    before = rig.write(rows[:5]).cursor
    rig.write(rows[5:10], before)
    again = rig.write(rows[8:20], before)
    assert (again.stored, again.repeats) == (10, 2)
    assert len(rig.stored("interaction")) == 20


def test_an_offset_is_taken_once_and_none_is_left_out(rig: Rig) -> None:
    one = rig.writing(many_rows(3))
    batch = record_batch([row.document for row in one.rows], one.schema)
    stream = rig.streams.create(one.table)
    rig.streams.append(stream, 0, batch)
    with pytest.raises(AlreadyWritten):
        rig.streams.append(stream, 0, batch)
    with pytest.raises(StreamGone):
        rig.streams.append(stream, 7, batch)
    rig.streams.append(stream, 3, batch)
    assert len(rig.stored("interaction")) == 6


def test_a_stream_that_is_forgotten_is_replaced(rig: Rig) -> None:
    rows = many_rows(10)
    cursor = rig.write(rows[:5]).cursor
    assert cursor is not None
    cursor.stream += "-forgotten"
    again = rig.write(rows, cursor)
    assert (again.stored, again.repeats) == (5, 5)
    assert len(rig.stored("interaction")) == 10


def test_a_table_that_is_missing_is_waited_for(rig: Rig) -> None:
    one = rig.writing(many_rows(1))
    one.table += "_missing"
    one.has_asked = True
    with pytest.raises(Unavailable, match="stream into"):
        write(one, rig.streams, lambda *_: set(), lambda: NOW)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    environment = {
        "GOOGLE_CLOUD_PROJECT": "shopstream-test",
        "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
        "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1",
        "BIGQUERY_STORAGE_EMULATOR_HOST": "127.0.0.1:1",
    }
    streams = WriteStreams(read_settings(PipelineSettings, environment))
    with pytest.raises(Unavailable):
        streams.create("shopstream-test.d.t")
    batch = record_batch([b'{"a": 1}'], arrow_schema([{"name": "a", "type": "INTEGER", "mode": "NULLABLE"}]))
    with pytest.raises(Unavailable):
        streams.append("projects/p/datasets/d/tables/t/streams/s", 0, batch)
    streams.close()
