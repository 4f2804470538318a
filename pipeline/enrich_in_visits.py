"""Rows of events within their visits: a stream keeps open visits in its state, a batch goes through history in order.

Visitors are divided into shards, each with its state: a bundle's events then travel as a few batches, not one by one.
What travels is lines, the smallest form of an event, which are read again behind the shuffle.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from shopstream.schemas.live.session_counts import SessionCounts, count_in, live_session

from .arrival import Line, Received, Row
from .batches import Batch
from .clock import Clock
from .counters import NAMESPACE, Counter
from .enrich import enrich
from .options import PipelineSettings
from .packed import pack_lines, unpack_lines
from .step import in_global_window
from .validate import again
from .visits import Visitors, forget, visit_of, visitor_of

EVENTS_PER_BATCH = 500


class EnrichInVisits(beam.PTransform):
    """Batches of received events become batches of rows."""

    def __init__(self, settings: PipelineSettings, now: Clock, *, streaming: bool) -> None:
        super().__init__()
        self._settings, self._now, self._streaming = settings, now, streaming

    @no_annotations
    def expand(self, events: beam.PCollection[list[Received]]) -> beam.PCollection[list[Row]]:
        """Divide, and put into visits."""
        divide = beam.ParDo(_Divide(self._settings.visit_shards)).with_output_types(tuple[int, bytes])
        shards = events | "Divide" >> divide
        prefixes = self._settings.test_prefixes
        if self._streaming:
            in_state = _InState(prefixes, self._now, live=self._settings.live_features_enabled)
            return shards | "InState" >> beam.ParDo(in_state).with_output_types(Batch)
        in_order = beam.ParDo(_InOrder(prefixes, self._now)).with_output_types(Batch)
        return shards | "Gather" >> beam.GroupByKey() | "InOrder" >> in_order


class _Divide(beam.DoFn):
    """Sends events to the shards of their visitors; those outside any visit go to any."""

    def __init__(self, shards: int) -> None:
        self._shards = shards

    def start_bundle(self) -> None:
        """Nothing waits over from another bundle."""
        self._waiting: defaultdict[int, list[Line]] = defaultdict(list)

    @no_annotations
    def process(self, batch: Sequence[Received]) -> Iterator[tuple[int, bytes]]:
        """One message's events."""
        for received in batch:
            key = visitor_of(received.event) or received.event.event_id
            # Not hash(): it differs between workers.
            shard = zlib.crc32(key.encode()) % self._shards
            self._waiting[shard].append(received.line)
            if len(self._waiting[shard]) == EVENTS_PER_BATCH:
                yield shard, pack_lines(self._waiting.pop(shard))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """What still waits."""
        for shard, lines in self._waiting.items():
            yield in_global_window((shard, pack_lines(lines)))


class _Enriching(beam.DoFn):
    """What the two ways have in common."""

    def __init__(self, test_prefixes: tuple[str, ...], now: Clock) -> None:
        self._test_prefixes, self._now = test_prefixes, now
        self._enriched = Metrics.counter(NAMESPACE, Counter.EVENTS_ENRICHED)

    def _row(self, visitors: Visitors, received: Received, now: datetime) -> Row:
        visitor = visitor_of(received.event)
        arrived_at = received.line.delivery.received_at
        visit = None if visitor is None else visit_of(visitors, visitor, received.event, arrived_at)
        return enrich(received, visit, self._test_prefixes, now)

    def _done(self, rows: list[Row]) -> list[Row]:
        self._enriched.inc(len(rows))
        return rows


class _InState(_Enriching):
    VISITORS = ReadModifyWriteStateSpec("visitors", BytesCoder())

    def __init__(self, test_prefixes: tuple[str, ...], now: Clock, *, live: bool) -> None:
        super().__init__(test_prefixes, now)
        self._live = live

    def process(
        self,
        element: tuple[int, bytes],
        state: Any = beam.DoFn.StateParam(VISITORS),  # noqa: ANN401, B008 - Beam's way
    ) -> Iterator[list[Row]]:
        """Events of one shard."""
        now = self._now()
        kept = state.read()
        visitors = _read_visitors(kept) if kept else {}
        batch = [again(line) for line in unpack_lines(element[1])]
        # A bundle holds what many processes sent, each in its order.
        batch.sort(key=_in_order)
        rows = [self._row(visitors, received, now) for received in batch]
        if self._live:
            rows = with_sessions(rows, batch, visitors, now)
        forget(visitors, now)
        state.write(_write_visitors(visitors))
        yield self._done(rows)


class _InOrder(_Enriching):
    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[list[Row]]:
        """All events of a shard."""
        now = self._now()
        batch = [again(line) for part in element[1] for line in unpack_lines(part)]
        batch.sort(key=_in_order)
        visitors: Visitors = {}
        rows: list[Row] = []
        for received in batch:
            rows.append(self._row(visitors, received, now))
            if len(rows) == EVENTS_PER_BATCH:
                yield self._done(rows)
                rows = []
        if rows:
            yield self._done(rows)


def with_sessions(rows: list[Row], batch: Sequence[Received], visitors: Visitors, now: datetime) -> list[Row]:
    """The rows of the batch; the last of each session with the session as it then is."""
    latest: dict[str, tuple[int, SessionCounts]] = {}
    for index, received in enumerate(batch):
        event, visitor = received.event, visitor_of(received.event)
        if visitor is None or event.imported:  # type: ignore[attr-defined]
            continue
        # The row's own event names the session now, inferred or not.
        visit = next((each for each in visitors[visitor].visits if each.session_id == event.session_id), None)
        if visit is None:  # Forgotten: the visitor has more than are remembered.
            continue
        visit.counted = count_in(visit.counted, event)
        if visit.counted is not None:
            latest[visit.session_id] = index, visit.counted
    whole = list(rows)
    for session_id, (index, counted) in latest.items():
        session = live_session(counted, session_id, batch[index].event.user_id, now)
        whole[index] = msgspec.structs.replace(rows[index], session=session)
    return whole


def _in_order(received: Received) -> tuple[datetime, str]:
    return received.event.occurred_at, received.event.event_id


_write_visitors = msgspec.msgpack.Encoder().encode
_read_visitors = msgspec.msgpack.Decoder(Visitors).decode
