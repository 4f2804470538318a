from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis.strategies import datetimes, integers, lists, sampled_from, tuples

from shopstream.capture.backends.layout import by_folder, ndjson
from shopstream.capture.spool_format import Record
from shopstream.schemas import Reason, Rejected
from shopstream.schemas.message import FAILED_EVENT

TYPES = ["search", "order", FAILED_EVENT]


def record(event_type: str, moment: datetime, number: int = 0) -> Record:
    field = "failed_at" if event_type == FAILED_EVENT else "occurred_at"
    return Record(event_type, orjson.dumps({"event_id": "e", field: moment.isoformat(), "n": number}))


moments = tuples(datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), integers(-14, 14)).map(  # noqa: DTZ001
    lambda pair: pair[0].replace(tzinfo=timezone(timedelta(hours=pair[1])))
)


@given(lists(tuples(sampled_from(TYPES), moments), max_size=30))
def test_every_record_is_in_the_folder_of_its_type_and_hour_in_order(shapes: list[tuple[str, datetime]]) -> None:
    records = [record(event_type, moment, number) for number, (event_type, moment) in enumerate(shapes)]
    folders = by_folder(records, hours=True)
    assert sorted(map(id, (each for found in folders.values() for each in found))) == sorted(map(id, records))
    for each, (event_type, moment) in zip(records, shapes, strict=True):
        at = moment.astimezone(UTC)
        found = folders[f"{event_type}/date={at:%Y-%m-%d}/hour={at:%H}"]
        assert each in found
        assert [records.index(one) for one in found] == sorted(records.index(one) for one in found)


@given(lists(tuples(sampled_from(TYPES), moments), max_size=30))
def test_days_are_the_hours_folders_without_the_hour(shapes: list[tuple[str, datetime]]) -> None:
    records = [record(event_type, moment) for event_type, moment in shapes]
    days, hours = by_folder(records, hours=False), by_folder(records, hours=True)
    assert set(days) == {folder.rpartition("/")[0] for folder in hours}
    assert sum(map(len, days.values())) == len(records)


@pytest.mark.parametrize(
    "document",
    [b"{}", b'{"occurred_at":null}', b'{"occurred_at":"secret"}', b"[]", b"secret", b'{"occurred_at":"2026-11-21"}'],
)
def test_a_record_without_a_time_is_rejected_without_its_text(document: bytes) -> None:
    with pytest.raises(Rejected, match="shows no occurred_at") as raised:
        by_folder([Record("search", document)], hours=True)
    assert (raised.value.reason, raised.value.field) == (Reason.INVALID_VALUE, "occurred_at")
    assert "secret" not in str(raised.value)


def test_a_line_is_a_document() -> None:
    assert ndjson([Record("search", b'{"a":1}'), Record("order", b"{}")]) == b'{"a":1}\n{}\n'
