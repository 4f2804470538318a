"""How rows get into a table exactly once over write streams. No Beam here.

An attempt that failed may have appended what its successors are about to append. The first of them starts where the
attempt started, so the stream rejects it by its offset; then it asks which of its rows are there, and appends the
others to a new stream. It does not trust that both attempts held the same rows, for engines may divide a retried
bundle otherwise. So as long as rows come that were received before, each is asked for before it is appended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import pyarrow as pa

from shopstream.schemas import Unavailable

from .arrival import Row
from .arrow_rows import record_batch
from .clock import Clock
from .warehouse import RowError
from .write_streams import AlreadyWritten, RowsRefused, StreamGone


class Streams(Protocol):
    """What WriteStreams does."""

    def create(self, table: str) -> str:
        """A new stream into the table."""

    def append(self, stream: str, offset: int, batch: pa.RecordBatch) -> None:
        """Append at the offset."""


_CLOCKS_APART = timedelta(minutes=1)
FindStored = Callable[[str, Sequence[Row]], set[str]]
"""The event_ids of those rows that a table holds."""


class Cursor(msgspec.Struct, array_like=True):
    """Where the next row goes."""

    stream: str
    offset: int
    doubted_until: datetime
    """A row received until then may be in the table already, from an attempt that failed."""


@dataclass
class Writing:
    """Rows for one table on their way; it may be gone on with after an error."""

    table: str
    schema: pa.Schema
    rows: list[Row]
    """What is still to be written."""
    cursor: Cursor | None
    stored: int = 0
    repeats: int = 0
    """Rows that an earlier attempt had stored."""
    refused: list[tuple[Row, RowError]] = field(default_factory=list)
    has_asked: bool = False
    """Whether what may be there already has been left out."""


def write(writing: Writing, streams: Streams, find_stored: FindStored, now: Clock) -> None:
    """Write every row, or refuse it; afterwards no row is left and the cursor is where the next one goes.

    Raises:
        Unavailable: BigQuery does not answer; call again with the same Writing.
    """
    if not writing.has_asked:
        _leave_out_stored(writing, _doubtful(writing), find_stored)
        writing.has_asked = True
    while writing.rows:
        try:
            batch = record_batch([row.document for row in writing.rows], writing.schema)
        except pa.ArrowInvalid:
            _refuse(writing, _misfits(writing))
            continue
        if writing.cursor is None:
            writing.cursor = Cursor(streams.create(writing.table), 0, now() + _CLOCKS_APART)
        try:
            _append(writing, writing.cursor, batch, streams)
        except (AlreadyWritten, StreamGone) as error:
            count = len(writing.rows)
            _leave_out_stored(writing, writing.rows, find_stored)
            writing.cursor.doubted_until = now() + _CLOCKS_APART
            writing.cursor.offset += count
            if writing.rows or isinstance(error, StreamGone):
                writing.cursor = None


def _append(writing: Writing, cursor: Cursor, batch: pa.RecordBatch, streams: Streams) -> None:
    try:
        streams.append(cursor.stream, cursor.offset, batch)
    except RowsRefused as refusal:
        everything = [RowError(n, None, "the table does not take such rows") for n in range(len(writing.rows))]
        _refuse(writing, refusal.errors or everything)
    except StreamGone as error:
        if cursor.offset == 0:
            writing.cursor, writing.has_asked = None, False
            raise Unavailable(f"BigQuery forgot a stream that it had just made: {error}") from None
        raise
    else:
        cursor.offset += len(writing.rows)
        writing.stored += len(writing.rows)
        writing.rows = []


def _doubtful(writing: Writing) -> list[Row]:
    """Rows that may be in the table already."""
    if writing.cursor is None:
        return writing.rows
    until = writing.cursor.doubted_until
    return [row for row in writing.rows if row.line.delivery.received_at <= until]


def _leave_out_stored(writing: Writing, doubtful: Sequence[Row], find_stored: FindStored) -> None:
    if not doubtful:
        return
    found = find_stored(writing.table, doubtful)
    left = [row for row in writing.rows if row.event_id not in found]
    writing.repeats += len(writing.rows) - len(left)
    writing.rows = left


def _refuse(writing: Writing, errors: Sequence[RowError]) -> None:
    by_index = {error.index: error for error in errors}
    writing.refused += [(writing.rows[index], error) for index, error in by_index.items()]
    writing.rows = [row for index, row in enumerate(writing.rows) if index not in by_index]


def _misfits(writing: Writing) -> list[RowError]:
    errors = []
    for index, row in enumerate(writing.rows):
        try:
            record_batch([row.document], writing.schema)
        except pa.ArrowInvalid:
            errors.append(RowError(index, None, "the row does not fit the table's columns"))
    return errors
