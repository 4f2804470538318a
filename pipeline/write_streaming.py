"""Streaming inserts with insertId = event_id: at most 500 rows and 9 MB a request, backoff, failures by row."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import DoOutputsTuple, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from shopstream.schemas import CloudSettings, FailedEvent, Reason, Rejected, Stage
from shopstream.schemas.rows import MAX_BYTES_PER_REQUEST, MAX_ROWS_PER_REQUEST
from shopstream.schemas.warehouse import raw_table_id

from .arrival import Row
from .batches import Batch
from .clock import Clock
from .counters import NAMESPACE, Counter
from .outcome import failed_event
from .retry import RETRY_SECONDS, retrying
from .signals import StoredSignals
from .step import STORED, Step, ToFailed, in_global_window
from .warehouse import RowError, connect, insert_rows


@dataclass
class Pending:
    """Rows of one table that wait for a request to be full."""

    rows: list[bytes] = field(default_factory=list)
    row_ids: list[str] = field(default_factory=list)
    origins: list[Row | FailedEvent] = field(default_factory=list)
    size_bytes: int = 0

    def has_room(self, size: int) -> bool:
        """Whether a row of so many bytes still fits the request."""
        return len(self.rows) < MAX_ROWS_PER_REQUEST and self.size_bytes + size <= MAX_BYTES_PER_REQUEST

    def add(self, document: bytes, row_id: str, origin: Row | FailedEvent) -> None:
        """One more row."""
        self.rows.append(document)
        self.row_ids.append(row_id)
        self.origins.append(origin)
        self.size_bytes += len(document)


@dataclass(frozen=True)
class Refused:
    """A row BigQuery will never take as it is."""

    origin: Row | FailedEvent
    error: RowError


@dataclass(frozen=True)
class Answer:
    """What became of the rows of one request."""

    stored: list[Any]
    """Their origins."""
    refused: list[Refused]


class StreamingInserts(beam.DoFn, ABC):
    """Fills requests across the elements of a bundle; the bundle ends only when BigQuery has answered for every row."""

    def __init__(self, settings: CloudSettings, retry_seconds: float = RETRY_SECONDS) -> None:
        self._settings, self._retry_seconds = settings, retry_seconds
        self._requests = Metrics.counter(NAMESPACE, Counter.WRITE_REQUESTS)
        self._retries = Metrics.counter(NAMESPACE, Counter.WRITE_RETRIES)

    def setup(self) -> None:
        """One client a worker thread."""
        self._client = connect(self._settings)

    def start_bundle(self) -> None:
        """Nothing waits over from another bundle."""
        self._pending: defaultdict[str, Pending] = defaultdict(Pending)

    def teardown(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _collect(self, table: str, document: bytes, row_id: str, origin: Row | FailedEvent) -> list[Answer]:
        answers = [] if self._pending[table].has_room(len(document)) else [self._send(table)]
        self._pending[table].add(document, row_id, origin)
        return answers

    def _send_all(self) -> list[Answer]:
        return [self._send(table) for table in list(self._pending)]

    def _send(self, table: str) -> Answer:
        pending = self._pending.pop(table)
        errors: list[RowError] = retrying(self._retry_seconds, on_retry=self._retries.inc)(
            insert_rows, self._client, table, pending.rows, pending.row_ids
        )
        self._requests.inc()
        refused = {error.index for error in errors}
        stored = [origin for index, origin in enumerate(pending.origins) if index not in refused]
        self._tell(stored)
        return Answer(stored, [Refused(pending.origins[error.index], error) for error in errors])

    @abstractmethod
    def _tell(self, stored: Sequence[Any]) -> None:
        """Count what BigQuery took."""


class InsertEvents(beam.PTransform):
    """Batches of rows to the raw tables; gives those stored, and the failed events of rows that BigQuery refuses."""

    def __init__(self, settings: CloudSettings, now: Clock) -> None:
        super().__init__()
        self._settings, self._now = settings, now

    @no_annotations
    def expand(self, rows: beam.PCollection[list[Row]]) -> DoOutputsTuple:
        """Insert."""
        insert = beam.ParDo(WriteEvents(self._settings, self._now)).with_output_types(Batch, failed=FailedEvent)
        return rows | "Insert" >> insert.with_outputs(Step.FAILED, main=STORED)


class WriteEvents(StreamingInserts):
    """Rows of events to the raw tables, and on; a refused row becomes a failed event at the tag FAILED."""

    def __init__(self, settings: CloudSettings, now: Clock, retry_seconds: float = RETRY_SECONDS) -> None:
        super().__init__(settings, retry_seconds)
        self._now, self._signals = now, StoredSignals()

    @no_annotations
    def process(self, batch: Sequence[Row]) -> Iterator[list[Row] | ToFailed]:
        """Rows of any event type, in any order."""
        for row in batch:
            table = raw_table_id(self._settings, row.event_type)
            for answer in self._collect(table, row.document, row.event_id, row):
                yield answer.stored
                for refused in answer.refused:
                    yield TaggedOutput(Step.FAILED, self._failed(refused))

    def finish_bundle(self) -> Iterator[WindowedValue | ToFailed]:
        """Send what still waits."""
        for answer in self._send_all():
            yield in_global_window(answer.stored)
            for refused in answer.refused:
                yield TaggedOutput(Step.FAILED, in_global_window(self._failed(refused)))

    def _tell(self, stored: Sequence[Row]) -> None:
        self._signals.tell(stored, self._now())

    def _failed(self, refused: Refused) -> FailedEvent:
        row, error = refused.origin, refused.error
        assert isinstance(row, Row)  # noqa: S101 - process() collects nothing else
        rejection = Rejected(Reason.ROW_REFUSED, f"BigQuery refused the row: {error.detail}", field=error.field)
        return failed_event(Stage.WRITE, rejection, row.line, self._now())
