"""What lies in the bucket: names, layout, bytes."""

import gzip
import re
from collections.abc import Callable
from typing import Any

import pytest

from shopstream.schemas import Unavailable
from tests.integration.wire import http_answer

from .far_ends import FarEnd, StorageEnd


@pytest.fixture
def end(make_far_end: Callable[[str], FarEnd]) -> StorageEnd:
    far_end = make_far_end("storage")
    assert isinstance(far_end, StorageEnd)
    return far_end


def test_objects_are_laid_out_by_type_date_and_hour_of_occurrence(end: StorageEnd, events: Any) -> None:
    at = ["2026-11-20T23:59:59.999999Z", "2026-11-21T00:00:00Z", "2026-11-21T00:30:00+01:00"]
    end.backend().send(tuple(record for moment in at for record in events.searches(2, occurred_at=moment)))
    folders = [name.rpartition("/")[0] for name in end.objects()]
    assert sorted(folders) == [
        "shopstream/search/date=2026-11-20/hour=23",
        "shopstream/search/date=2026-11-21/hour=00",
    ]
    assert all(re.fullmatch(r"[0-9a-f]{32}\.ndjson\.gz", name.rpartition("/")[2]) for name in end.objects())


def test_failed_events_lie_under_their_own_prefix(end: StorageEnd, events: Any) -> None:
    end.environment["CAPTURE_STORAGE_PREFIX"] = "shop/events"
    end.backend().send((*events.searches(1), events.failed()))
    folders = sorted(name.rpartition("/date=")[0] for name in end.objects())
    assert folders == ["shop/events/search", "shop/events_failed/failed_event"]


def test_a_batch_is_one_object_a_type_and_hour(end: StorageEnd, events: Any) -> None:
    batch = (*events.searches(500), *events.searches(1, occurred_at="2026-11-20T01:00:00Z"), events.failed())
    end.backend().send(batch)
    assert len(end.objects()) == 3


def test_the_same_batch_gives_the_same_names_and_bytes_and_another_batch_others(end: StorageEnd, events: Any) -> None:
    first, second = tuple(events.searches(50)), tuple(events.searches(50))
    end.backend().send(first)
    before = end.objects()
    end.backend().send(first)
    assert end.objects() == before
    assert {content[4:8] for content in before.values()} == {bytes(4)}  # gzip's place for a time.
    end.backend().send(first[:25])
    end.backend().send(second)
    assert len(end.objects()) == 3
    assert before.items() <= end.objects().items()


def test_an_object_that_is_there_already_is_safe_and_is_not_overwritten(end: StorageEnd, events: Any) -> None:
    """The emulator overwrites all the same; Cloud Storage answers 412 to if_generation_match=0."""
    end.wire.set("answer", http_answer(412))
    end.backend().send(tuple(events.searches(3)))
    assert end.objects() == {}


def test_objects_written_before_a_fault_are_written_once(end: StorageEnd, events: Any) -> None:
    batch = events.mixed()
    backend = end.backend()
    backend.send(batch[:3])
    end.begin("503")
    with pytest.raises(Unavailable):
        backend.send(batch[3:])
    end.end("503")
    backend.send(batch[3:])
    lines = [line for content in end.objects().values() for line in gzip.decompress(content).splitlines()]
    assert sorted(lines) == sorted(record.document for record in batch)


def test_doctor_asks_whether_the_bucket_may_be_written(end: StorageEnd) -> None:
    end.wire.set("answer", http_answer(200, b'{"permissions": []}'))
    with pytest.raises(Unavailable, match=r"gs://bucket-\w+ may not be written: grant this account roles/storage"):
        end.backend().check()
