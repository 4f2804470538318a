"""Every row is in the table exactly once, whatever fails and however a retried bundle is divided."""

import json
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopstream.pipeline.append_once import Cursor, Writing, write
from shopstream.pipeline.arrival import Delivery, Line, Row
from shopstream.pipeline.arrow_rows import arrow_schema
from shopstream.pipeline.warehouse import RowError
from shopstream.pipeline.write_streams import AlreadyWritten, RowsRefused, StreamGone
from shopstream.schemas import Unavailable

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SCHEMA = arrow_schema([{"name": "event_id", "type": "STRING", "mode": "REQUIRED"}])


class Table:
    """BigQuery's side, as documented: an append is atomic, its offset is checked, an answer may be lost."""

    def __init__(self, faults: Sequence[str] = ()) -> None:
        self.rows: list[str] = []
        self.streams: dict[str, int] = {}
        self.faults = list(faults)
        self.refused: set[str] = set()
        self.clock = NOW
        self.asked = 0
        self.made = 0

    def now(self) -> datetime:
        return self.clock

    def create(self, table: str) -> str:
        name = f"{table}/{self.made}"
        self.made += 1
        self.streams[name] = 0
        return name

    def append(self, stream: str, offset: int, batch: pa.RecordBatch) -> None:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "gone":
            self.streams.pop(stream, None)
        if fault == "lost request":
            raise Unavailable(fault)
        if stream not in self.streams or offset > self.streams[stream]:
            raise StreamGone(stream)
        if offset < self.streams[stream]:
            raise AlreadyWritten(stream)
        event_ids = batch.column("event_id").to_pylist()
        errors = [RowError(n, None, "bad") for n, event_id in enumerate(event_ids) if event_id in self.refused]
        if errors:
            raise RowsRefused(errors)
        self.rows += event_ids
        self.streams[stream] += len(event_ids)
        if fault == "lost answer":
            raise Unavailable(fault)

    def find(self, _: str, rows: Sequence[Row]) -> set[str]:
        self.asked += 1
        return {row.event_id for row in rows} & set(self.rows)


def received_at(number: int) -> datetime:
    return NOW + timedelta(minutes=2 * number)


def row(number: int, document: bytes | None = None) -> Row:
    event_id = f"e-{number}"
    line = Line(b"{}", number, Delivery("m", {}, received_at(number)))
    return Row(event_id, "search", NOW, document or json.dumps({"event_id": event_id}).encode(), line)


def writing(rows: list[Row], cursor: Cursor | None = None) -> Writing:
    return Writing("p.d.t", SCHEMA, list(rows), deepcopy(cursor))


def finish(one: Writing, table: Table) -> Writing:
    """As the job does: again after each Unavailable."""
    for _ in range(100):
        try:
            write(one, table, table.find, table.now)
        except Unavailable:
            continue
        return one
    raise AssertionError("it never ends")


def test_bundle_after_bundle_goes_to_one_stream_and_only_the_first_asks() -> None:
    table = Table()
    cursor = None
    for start in range(0, 30, 10):
        cursor = finish(writing([row(n) for n in range(start, start + 10)], cursor), table).cursor
    assert table.streams == {"p.d.t/0": 30}
    assert table.rows == [f"e-{n}" for n in range(30)]
    assert table.asked == 1


def test_a_retried_bundle_is_rejected_by_its_offset_and_counts_as_written() -> None:
    table = Table()
    rows = [row(n) for n in range(5, 10)]
    before = finish(writing([row(0)]), table).cursor
    finish(writing(rows, before), table)  # Its bundle fails behind it: the state stays as it was before.
    again = finish(writing(rows, before), table)
    assert (again.repeats, again.stored) == (5, 0)
    assert again.cursor is not None
    assert (again.cursor.stream, again.cursor.offset) == ("p.d.t/0", 6)
    assert Counter(table.rows) == Counter(["e-0", *(f"e-{n}" for n in range(5, 10))])


def test_a_retried_first_bundle_has_no_offset_and_asks_instead() -> None:
    table = Table()
    finish(writing([row(1), row(2)]), table)
    again = finish(writing([row(1), row(2)]), table)
    assert (again.repeats, again.stored) == (2, 0)
    assert table.rows == ["e-1", "e-2"]


def test_a_retried_bundle_that_holds_other_rows_loses_none_and_repeats_none() -> None:
    table = Table()
    cursor = finish(writing([row(0)]), table).cursor
    finish(writing([row(1), row(2), row(3)], cursor), table)
    table.clock = received_at(4)
    again = finish(writing([row(3), row(4), row(1)], cursor), table)
    assert (again.repeats, again.stored) == (2, 1)
    late = finish(writing([row(2), row(5)], again.cursor), table)
    assert (late.repeats, late.stored) == (1, 1)
    assert Counter(table.rows) == Counter(f"e-{n}" for n in range(6))


def test_refused_rows_are_named_and_their_neighbours_are_stored() -> None:
    table = Table()
    table.refused = {"e-1", "e-3"}
    done = finish(writing([row(n) for n in range(5)]), table)
    assert [(each.event_id, error.detail) for each, error in done.refused] == [("e-1", "bad"), ("e-3", "bad")]
    assert table.rows == ["e-0", "e-2", "e-4"]
    assert done.cursor is not None
    assert done.cursor.offset == 3


def test_a_table_that_is_repaired_between_two_attempts_gets_what_it_had_refused() -> None:
    table = Table()
    table.refused = {"e-1"}
    cursor = Cursor(table.create("p.d.t"), 0, NOW - timedelta(days=1))
    finish(writing([row(0), row(1)], cursor), table)  # The bundle fails before its failed event is kept.
    table.refused = set()
    again = finish(writing([row(0), row(1)], cursor), table)
    assert again.refused == []
    assert Counter(table.rows) == Counter(["e-0", "e-1"])


def test_a_row_that_does_not_fit_the_columns_is_refused_alone() -> None:
    table = Table()
    odd = [row(1, b'{"event_id": 7}'), row(2, b'{"event_id": "e-2", "colour": "red"}'), row(3, b"{")]
    done = finish(writing([row(0), *odd, row(4)]), table)
    assert [each.event_id for each, _ in done.refused] == ["e-1", "e-2", "e-3"]
    assert table.rows == ["e-0", "e-4"]


def test_a_table_that_takes_no_such_rows_at_all_refuses_every_row() -> None:
    class Narrow(Table):
        def append(self, *_: Any) -> None:
            raise RowsRefused([])

    done = finish(writing([row(0), row(1)]), Narrow())
    assert [each.event_id for each, _ in done.refused] == ["e-0", "e-1"]


def test_a_stream_forgotten_as_soon_as_it_is_made_is_no_endless_loop() -> None:
    with pytest.raises(Unavailable):
        write(writing([row(0)]), Table(["gone"]), lambda *_: set(), lambda: NOW)


FAULTS = st.sampled_from(["", "", "lost request", "lost answer", "gone"])


@given(st.lists(FAULTS, max_size=30), st.randoms(use_true_random=False), st.integers(1, 40), st.booleans())
@settings(max_examples=400)
def test_whatever_fails_every_event_is_there_once(
    faults: list[str], random: Random, events: int, divided_otherwise: bool
) -> None:
    """Bundles whose state may be thrown away after they wrote, as a worker that dies does; then they come again."""
    table = Table(faults)
    left = [row(n) for n in range(events)]
    refused = random.sample([each.event_id for each in left], events // 5)
    table.refused = set(refused)
    found_refused: list[str] = []
    cursor: Cursor | None = None
    deaths = 0
    while left:
        size = random.randint(1, len(left))
        # What can be in a bundle has been received.
        table.clock = max(table.clock, *(each.line.delivery.received_at for each in left[:size]))
        done = finish(writing(left[:size], cursor), table)
        if random.random() < 0.3 and deaths < 20:
            deaths += 1
            if divided_otherwise:
                received = [each for each in left if each.line.delivery.received_at <= table.clock]
                left = random.sample(received, len(received)) + [each for each in left if each not in received]
            continue
        found_refused += [each.event_id for each, _ in done.refused]
        cursor, left = done.cursor, left[size:]
    assert Counter(table.rows + found_refused) == Counter(f"e-{n}" for n in range(events))
    assert sorted(found_refused) == sorted(refused)
