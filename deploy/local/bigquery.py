"""Starts the BigQuery emulator with six corrections: docs/decisions/0009-the-bigquery-emulator-corrected.md.

python -m deploy.local.bigquery start --rest-port 0 --grpc-port 0 --project shopstream-local
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

import bqemulator
import grpc.aio
from bqemulator.api.routes import tabledata, tables
from bqemulator.cli import main
from bqemulator.domain.events import TableDataChanged
from bqemulator.grpc_api import write_servicer
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns
from bqemulator.versioning.snapshots import SnapshotManager
from fastapi.routing import APIRoute

CORRECTED = "1.4.0"
"""The version whose insides are known here; pyproject.toml pins it."""


def _tell_without_a_copy(self: SnapshotManager, project_id: str, dataset_id: str, table_id: str) -> None:
    """Each write would copy the whole table for time travel, which nothing here uses: the square of the rows."""
    self._events.publish(TableDataChanged(project_id, dataset_id, table_id))


def _schema_with_nested_fields(table: Any) -> Any:  # noqa: ANN401 - of the emulator's own types
    """The Storage Write API would take a RECORD to have no fields and fail; insertAll knows them.

    Fields within a RECORD may be null, or a RECORD that is null could not be told from one that lacks them.
    """
    fields: Any = [
        {**field, "fields": [_nullable(inner) for inner in field.get("fields", [])]}
        for field in tabledata._fields_raw_from_schema(table.schema_.fields)  # noqa: SLF001
    ]
    return tabledata._build_arrow_schema(fields)  # noqa: SLF001


def _nullable(field: Any) -> Any:  # noqa: ANN401 - as above
    mode = "REPEATED" if field["mode"] == "REPEATED" else "NULLABLE"
    return {**field, "mode": mode, "fields": [_nullable(inner) for inner in field.get("fields", [])]}


MOST_CONNECTIONS = 512
"""An open call to append rows holds a thread of the server; by default it has four more than there are cores."""
_server = grpc.aio.server
_flush = write_servicer.BigQueryWriteHandler._flush_to_target  # noqa: SLF001


def _server_with_threads(**options: Any) -> grpc.aio.Server:  # noqa: ANN401 - as above
    """Its threads write on the event loop: all share one DuckDB connection, and two that use it at once lock up."""
    loop = asyncio.get_running_loop()

    def flush_on_the_loop(self: write_servicer.BigQueryWriteHandler, stream: Any, rows: Any) -> None:  # noqa: ANN401
        async def flush() -> None:
            _flush(self, stream, rows)

        asyncio.run_coroutine_threadsafe(flush(), loop).result()

    write_servicer.BigQueryWriteHandler._flush_to_target = flush_on_the_loop  # type: ignore[method-assign]  # noqa: SLF001
    return _server(ThreadPoolExecutor(MOST_CONNECTIONS), **options)


_set_session = DuckDBEngine._apply_session_pragmas  # noqa: SLF001


def _set_session_of_one_thread(self: DuckDBEngine) -> None:
    """Threads of DuckDB 1.5 race for a window over few rows; the one that comes too late ends the whole database."""
    _set_session(self)
    self.execute("SET threads = 1")


_patch = tables.patch_table


@wraps(_patch)
async def _patch_with_columns(**arguments: Any) -> Any:  # noqa: ANN401 - as above
    """A new schema would stand in the catalogue only; the table would not have the columns."""
    answer = await _patch(**arguments)
    if "schema" in await arguments["request"].json():
        place = quoted_table_ref(*(arguments[name] for name in ("project_id", "dataset_id", "table_id")))
        engine, fields = arguments["ctx"].engine, answer["schema"]["fields"]
        async with engine.write_lock():
            present = {row[0] for row in engine.execute(f"DESCRIBE {place}").fetchall()}
            for field, (name, kind) in zip(fields, bq_schema_to_duckdb_columns(fields), strict=True):
                if name not in present:
                    engine.execute(f'ALTER TABLE {place} ADD COLUMN "{name}" {kind}')
                elif field["type"] == "RECORD":
                    engine.execute(f'ALTER TABLE {place} ALTER COLUMN "{name}" TYPE {kind}')
    return answer


def correct() -> None:
    """Put the corrections in place.

    Raises:
        RuntimeError: Another version is installed.
    """
    if bqemulator.__version__ != CORRECTED:
        raise RuntimeError(f"bqemulator {CORRECTED} is corrected here, not {bqemulator.__version__}")
    grpc.aio.server = _server_with_threads
    for route in tables.router.routes:
        if isinstance(route, APIRoute) and route.endpoint is _patch:
            route.endpoint = _patch_with_columns
    DuckDBEngine._apply_session_pragmas = _set_session_of_one_thread  # type: ignore[method-assign]  # noqa: SLF001
    SnapshotManager.record_change = _tell_without_a_copy  # type: ignore[method-assign]
    write_servicer._table_arrow_schema = _schema_with_nested_fields  # type: ignore[assignment]  # noqa: SLF001


if __name__ == "__main__":
    correct()
    main()
