"""Rows through the Storage Write API, each once: the name of a stream and its next offset are the job's state."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.metrics import Metrics
from apache_beam.pvalue import DoOutputsTuple, TaggedOutput
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from shopstream.schemas import CloudSettings, FailedEvent, Reason, Rejected, Stage
from shopstream.schemas.rows import MAX_BYTES_PER_REQUEST
from shopstream.schemas.warehouse import RAW_TABLES, raw_table_id

from .append_once import Cursor, Writing, write
from .arrival import Row
from .arrow_rows import arrow_schema
from .batches import Batch
from .clock import Clock
from .counters import NAMESPACE, Counter
from .options import PipelineSettings
from .outcome import failed_event
from .packed import pack_rows, unpack_rows
from .retry import RETRY_SECONDS, retrying
from .signals import StoredSignals
from .step import STORED, Step, ToFailed, in_global_window
from .warehouse import connect, find_stored
from .write_streams import WriteStreams

MAX_ROWS_PER_APPEND = 5_000


class StorageWrites(beam.PTransform):
    """Batches of rows to the raw tables; gives those stored, and the failed events of rows that BigQuery refuses."""

    def __init__(self, settings: PipelineSettings, now: Clock) -> None:
        super().__init__()
        self._settings, self._now = settings, now

    @no_annotations
    def expand(self, rows: beam.PCollection[list[Row]]) -> DoOutputsTuple:
        """By stream, then append."""
        by_stream = beam.ParDo(_ByStream(self._settings.bigquery_streams_per_table)).with_output_types(
            tuple[str, bytes]
        )
        append = beam.ParDo(_Append(self._settings, self._now)).with_output_types(Batch, failed=FailedEvent)
        return rows | "ByStream" >> by_stream | "Append" >> append.with_outputs(Step.FAILED, main=STORED)


class _ByStream(beam.DoFn):
    """Gathers a bundle's rows into as few appends as there can be."""

    def __init__(self, streams_per_table: int) -> None:
        self._streams = streams_per_table

    def start_bundle(self) -> None:
        """Nothing waits over from another bundle."""
        self._waiting: defaultdict[str, list[Row]] = defaultdict(list)
        self._bytes: defaultdict[str, int] = defaultdict(int)

    @no_annotations
    def process(self, batch: Sequence[Row]) -> Iterator[tuple[str, bytes]]:
        """Rows of any event type."""
        for row in batch:
            name = row.event_type
            full = self._bytes[name] + len(row.document) > MAX_BYTES_PER_REQUEST
            if full or len(self._waiting[name]) == MAX_ROWS_PER_APPEND:
                yield self._gathered(name)
            self._waiting[name].append(row)
            self._bytes[name] += len(row.document)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """What still waits."""
        for name in list(self._waiting):
            yield in_global_window(self._gathered(name))

    def _gathered(self, event_type: str) -> tuple[str, bytes]:
        rows = self._waiting.pop(event_type)
        del self._bytes[event_type]
        # The same bundle again goes to the same stream.
        return f"{event_type}/{int(rows[0].event_id[-4:], 16) % self._streams}", pack_rows(rows)


_write_cursor = msgspec.msgpack.Encoder().encode
_read_cursor = msgspec.msgpack.Decoder(Cursor).decode


class _Append(beam.DoFn):
    CURSOR = ReadModifyWriteStateSpec("cursor", BytesCoder())

    def __init__(self, settings: CloudSettings, now: Clock, retry_seconds: float = RETRY_SECONDS) -> None:
        self._settings, self._now, self._retry_seconds = settings, now, retry_seconds
        self._signals = StoredSignals()
        self._retries = Metrics.counter(NAMESPACE, Counter.WRITE_RETRIES)
        self._repeats = Metrics.counter(NAMESPACE, Counter.WRITE_REPEATS)

    def setup(self) -> None:
        """Clients of this worker thread; schemas are made once."""
        self._streams = WriteStreams(self._settings)
        self._client = connect(self._settings)
        self._schemas = {name: arrow_schema(table.columns) for name, table in RAW_TABLES.items()}

    def teardown(self) -> None:
        """Give the connections back."""
        self._streams.close()
        self._client.close()

    def process(
        self,
        element: tuple[str, bytes],
        state: Any = beam.DoFn.StateParam(CURSOR),  # noqa: ANN401, B008 - Beam's way
    ) -> Iterator[list[Row] | ToFailed]:
        """Rows of one event type for one stream."""
        event_type = element[0].partition("/")[0]
        rows = unpack_rows(element[1])
        kept = state.read()
        writing = Writing(
            raw_table_id(self._settings, event_type),
            self._schemas[event_type],
            list(rows),
            _read_cursor(kept) if kept else None,
        )
        attempts = retrying(self._retry_seconds, on_retry=self._retries.inc)
        attempts(write, writing, self._streams, self._find_stored, self._now)
        if writing.cursor is not None:
            state.write(_write_cursor(writing.cursor))
        refused = {row.event_id for row, _ in writing.refused}
        stored = [row for row in rows if row.event_id not in refused]
        self._signals.tell(stored, self._now())
        self._repeats.inc(writing.repeats)
        yield stored
        for row, error in writing.refused:
            rejection = Rejected(Reason.ROW_REFUSED, f"BigQuery refused the row: {error.detail}", field=error.field)
            yield TaggedOutput(Step.FAILED, failed_event(Stage.WRITE, rejection, row.line, self._now()))

    def _find_stored(self, table: str, rows: Sequence[Row]) -> set[str]:
        return find_stored(self._client, table, rows)
