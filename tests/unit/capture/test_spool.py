import logging
import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from shopstream.capture.counters import Counter
from shopstream.capture.spool_format import Entry, Record, complete_lines, parse
from shopstream.schemas.message import FAILED_EVENT


def records_in(paths: list[Path]) -> list[Record]:
    pieces = [piece for path in paths for line in complete_lines(path.read_bytes())[0] for piece in parse(line)]
    assert all(isinstance(piece, Record) for piece in pieces)
    return [piece for piece in pieces if isinstance(piece, Record)]


def sequences(paths: list[Path]) -> list[int]:
    return [orjson.loads(record.document)["sequence"] for record in records_in(paths)]


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """The kernel cuts writes at this size of a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_only_the_owner_can_read_it(rig: Any) -> None:
    rig.track()
    rig.ship()
    assert rig.directory.stat().st_mode & 0o777 == 0o700
    for path in rig.directory.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_a_segment_is_left_at_its_size_and_the_numbers_run_on(new_rig: Any) -> None:
    rig = new_rig(segment_bytes=4096)
    for number in range(60):
        assert rig.track(number)
    assert len(rig.segments()) > 3
    assert all(path.stat().st_size < 5000 for path in rig.segments())
    assert sequences(rig.segments()) == list(range(1, 61))


def test_a_segment_is_left_at_its_age(rig: Any) -> None:
    rig.track()
    rig.clock.seconds += 61
    rig.track()
    assert len(rig.segments()) == 2


def test_an_idle_segment_is_shipped_and_gone_at_its_age(rig: Any) -> None:
    rig.track()
    rig.ship()
    assert len(rig.segments()) == 1
    for _ in range(2):  # The first time it gives way to the one that holds its ledger entry.
        rig.clock.seconds += 61
        rig.ship()
    assert rig.segments() == []
    assert rig.track()


def test_a_full_spool_refuses_and_counts_and_says_so_once(new_rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    rig = new_rig(max_bytes=2000)
    answers = [rig.track(number) for number in range(20)]
    kept = [answer for answer in answers if answer]
    assert 0 < len(kept) < 20
    assert rig.count(Counter.REFUSED_FULL) == 20 - len(kept)
    assert sum(path.stat().st_size for path in rig.segments()) <= 2000
    assert len([entry for entry in caplog.records if entry.levelno == logging.ERROR]) == 1
    assert sequences(rig.segments()) == list(range(1, len(kept) + 1))


def test_a_full_spool_takes_events_again_once_it_was_shipped(new_rig: Any) -> None:
    rig = new_rig(max_bytes=2000, segment_bytes=500)
    while rig.track():
        pass
    rig.ship()
    rig.clock.seconds += 61
    rig.ship()
    assert rig.track()


def test_the_bound_counts_what_other_writers_left(new_rig: Any) -> None:
    dead = new_rig(max_bytes=2000)
    while dead.track():
        pass
    dead.kill()
    assert new_rig(max_bytes=2000).track() is None


def test_a_failed_event_of_the_forwarder_is_kept_beyond_the_bound(new_rig: Any) -> None:
    rig = new_rig(max_bytes=10)
    assert rig.spool.append(Entry(FAILED_EVENT, b'{"x":1}', numbered=False), bounded=False)


def test_a_write_cut_short_refuses_the_event_and_hurts_no_other(rig: Any, file_limit: Any) -> None:
    file_limit(1000)
    answers = [rig.track(number) for number in range(10)]
    kept = [answer for answer in answers if answer]
    assert 0 < len(kept) < 10
    assert rig.count(Counter.REFUSED_DISK) == 10 - len(kept)
    file_limit(10**6)
    rig.clock.seconds += 2
    assert rig.track(10)
    assert sequences(rig.segments()) == list(range(1, len(kept) + 2))


def test_a_full_disk_is_logged_once_and_its_end_too(
    rig: Any, file_limit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file_limit(0)
    assert [rig.track() for _ in range(50)] == [None] * 50
    file_limit(10**6)
    rig.clock.seconds += 2
    assert rig.track()
    assert [entry.levelname for entry in caplog.records] == ["ERROR", "WARNING"]
    assert len(rig.segments()) == 1


def test_a_place_that_is_no_directory_refuses_and_counts(new_rig: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rig = new_rig(tmp_path / "file" / "spool")
    assert rig.track() is None
    assert rig.count(Counter.REFUSED_DISK) == 1


def test_a_deleted_directory_is_made_again_and_what_was_in_it_is_still_shipped(rig: Any) -> None:
    first = rig.track(1)
    shutil.rmtree(rig.directory)
    rig.clock.seconds += 1
    second = rig.track(2)
    rig.ship()
    assert {event["event_id"] for event in rig.backend.events()} == {first, second}
    assert len(rig.segments()) == 1


def test_a_directory_deleted_under_rotated_segments_counts_them(new_rig: Any) -> None:
    rig = new_rig(segment_bytes=500)
    for number in range(9):
        rig.track(number)
    segments = len(rig.segments())
    shutil.rmtree(rig.directory)
    rig.clock.seconds += 1
    assert rig.track()
    assert rig.count(Counter.SEGMENTS_LOST) == segments - 1


def test_a_directory_deleted_between_two_segments_leaves_nothing_behind(rig: Any) -> None:
    rig.track(1)
    rig.ship()
    rig.clock.seconds += 61
    rig.ship()
    shutil.rmtree(rig.directory)
    second = rig.track(2)
    rig.ship()
    assert rig.backend.events()[-1]["event_id"] == second
    assert len(rig.spool.directory.shipped()) == 1
    assert rig.count(Counter.SEGMENTS_LOST) == 0


def test_a_deleted_segment_file_costs_nothing(rig: Any) -> None:
    first = rig.track(1)
    rig.segments()[0].unlink()
    rig.clock.seconds += 1
    second = rig.track(2)
    rig.ship()
    assert {event["event_id"] for event in rig.backend.events()} == {first, second}
    assert len(rig.spool.directory.shipped()) == 1


def test_threads_number_without_gaps(rig: Any) -> None:
    def work() -> None:
        for number in range(500):
            rig.track(number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sequences(rig.segments())) == list(range(1, 2001))


def test_a_segment_that_is_left_just_before_an_append_costs_no_event(rig: Any) -> None:
    assert rig.track(0)
    spool = rig.capture._spool
    lock = spool._lock

    class LeftMeanwhile:
        """The spool's lock; before it is had, the thread that maintains the spool leaves the segment."""

        def __enter__(self) -> None:
            spool._lock = lock
            rig.clock.seconds += 61
            spool.maintain()
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()

    spool._lock = LeftMeanwhile()
    assert rig.track(1)
    assert rig.count(Counter.REFUSED_DISK) == 0
    assert sequences(rig.segments()) == [1, 2]
    assert len(rig.segments()) == 2


def test_a_child_never_writes_its_parents_segment(rig: Any) -> None:
    rig.track(1)
    if not (child := os.fork()):
        rig.track(2)
        os._exit(0 if rig.count(Counter.CAPTURED) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    rig.track(3)
    folders = {path.parent.name for path in rig.segments()}
    assert len(folders) == 2
    found = {
        orjson.loads(record.document)["query_id"]: orjson.loads(record.document)
        for record in records_in(rig.segments())
    }
    assert found["q-1"]["writer_id"] == found["q-3"]["writer_id"] != found["q-2"]["writer_id"]
    assert [found[name]["sequence"] for name in ("q-1", "q-2", "q-3")] == [1, 1, 2]


def test_a_child_that_is_left_over_does_not_keep_its_parents_folder_locked(new_rig: Any) -> None:
    """The parent dies, its child lives on: a lock goes with the last process that holds its descriptor."""
    parent = new_rig()
    parent.track(1)
    wait, release = os.pipe()
    started, say_started = os.pipe()
    if not (child := os.fork()):
        os.close(release)
        os.write(say_started, b"!")
        os.read(wait, 1)
        os._exit(0)
    os.read(started, 1)
    parent.kill()
    other = parent.restart()
    other.ship()
    os.close(release)
    os.waitpid(child, 0)
    assert len(other.backend.events()) == 1
