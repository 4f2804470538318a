"""Rows into the BigQuery emulator: our two sinks, and Beam's own."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from shopstream.pipeline.append_once import Cursor, Writing, write
from shopstream.pipeline.arrival import Delivery, Line, Row
from shopstream.pipeline.arrow_rows import arrow_schema
from shopstream.pipeline.enrich import enrich
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.validate import validate
from shopstream.pipeline.warehouse import connect, insert_rows
from shopstream.pipeline.write_streams import WriteStreams
from shopstream.schemas.rows import MAX_ROWS_PER_REQUEST
from shopstream.schemas.warehouse import RAW_TABLES, raw_table_id

from .events import START, lines

ROWS = 20_000


def rows_of(event_type: str, count: int) -> list[Row]:
    """So many rows of the benchmark's events of one type."""
    delivery = Delivery("m", {}, START + timedelta(days=1))
    rows: list[Row] = []
    for line in lines(count * 10):
        received = validate(Line(line, 0, delivery), delivery.received_at)
        if received.event.event_type == event_type:
            rows.append(enrich(received, None, (), delivery.received_at))
            if len(rows) == count:
                break
    return rows


def measure(settings: PipelineSettings) -> list[dict[str, Any]]:
    """Rows a second of clicks and of searches with ten results, 500 a request."""
    found = []
    for event_type in ("interaction", "search"):
        rows = rows_of(event_type, ROWS)
        requests = [rows[start : start + MAX_ROWS_PER_REQUEST] for start in range(0, ROWS, MAX_ROWS_PER_REQUEST)]
        inserts, appends = _insert(settings, event_type, requests), _append(settings, event_type, requests)
        for sink, seconds in (("streaming inserts", inserts), ("Storage Write API", appends)):
            found.append(
                {
                    "into the emulator": sink,
                    "rows": event_type,
                    "rows/s": round(ROWS / seconds),
                    "times streaming inserts": round(inserts / seconds, 1),
                }
            )
    return found


def _insert(settings: PipelineSettings, event_type: str, requests: Sequence[list[Row]]) -> float:
    fresh = settings.model_copy(update={"bigquery_dataset": f"inserts_{event_type}"})
    client = connect(fresh)
    apply_tables(client, fresh)
    table = raw_table_id(fresh, event_type)
    began = time.perf_counter()
    for rows in requests:
        errors = insert_rows(client, table, [row.document for row in rows], [row.event_id for row in rows])
        assert not errors  # noqa: S101 - a benchmark of rows that are refused would be quick
    return time.perf_counter() - began


def _append(settings: PipelineSettings, event_type: str, requests: Sequence[list[Row]]) -> float:
    fresh = settings.model_copy(update={"bigquery_dataset": f"appends_{event_type}"})
    apply_tables(connect(fresh), fresh)
    streams = WriteStreams(fresh)
    schema = arrow_schema(RAW_TABLES[event_type].columns)
    cursor: Cursor | None = None
    began = time.perf_counter()
    for rows in requests:
        writing = Writing(raw_table_id(fresh, event_type), schema, list(rows), cursor)
        write(writing, streams, lambda *_: set(), lambda: START)
        assert writing.stored == len(rows)  # noqa: S101 - as above
        cursor = writing.cursor
    seconds = time.perf_counter() - began
    streams.close()
    return seconds
