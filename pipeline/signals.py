"""What a sink tells of the rows it stored: how late, into which table, how many a second."""

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import UTC, datetime

from apache_beam.metrics import Metrics

from shopstream.schemas.warehouse import RAW_TABLES

from .arrival import Row
from .counters import NAMESPACE, Counter, Distribution

_MILLISECONDS = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RowRate:
    """Counts rows by the second; a second is told of once the next has begun."""

    def __init__(self) -> None:
        self._second, self._rows = 0, 0

    def add(self, rows: int, now: datetime) -> int | None:
        """Count rows stored now; the rows of the second before, if this is the first of another."""
        second = int((now - EPOCH).total_seconds())
        if second == self._second:
            self._rows += rows
            return None
        before = self._rows
        self._second, self._rows = second, rows
        return before or None


class StoredSignals:
    """The metrics of one sink on one worker thread."""

    def __init__(self) -> None:
        self._stored = Metrics.counter(NAMESPACE, Counter.EVENTS_STORED)
        self._by_table = {
            event_type: Metrics.counter(NAMESPACE, f"{Counter.ROWS_STORED}.{table.table.name}")
            for event_type, table in RAW_TABLES.items()
        }
        self._latency = Metrics.distribution(NAMESPACE, Distribution.LATENCY_MS)
        self._pipeline_latency = Metrics.distribution(NAMESPACE, Distribution.PIPELINE_LATENCY_MS)
        self._rate = Metrics.distribution(NAMESPACE, Distribution.ROWS_PER_SECOND)
        self._rows = RowRate()

    def tell(self, rows: Sequence[Row], now: datetime) -> None:
        """These rows are in BigQuery now."""
        if not rows:
            return
        self._stored.inc(len(rows))
        for event_type, count in Tally(row.event_type for row in rows).items():
            self._by_table[event_type].inc(count)
        for row in rows:
            self._latency.update(_milliseconds(now, row.occurred_at))
        self._pipeline_latency.update(_milliseconds(now, min(row.line.delivery.received_at for row in rows)))
        if (rate := self._rows.add(len(rows), now)) is not None:
            self._rate.update(rate)


def _milliseconds(now: datetime, before: datetime) -> int:
    return int((now - before).total_seconds() * _MILLISECONDS)
