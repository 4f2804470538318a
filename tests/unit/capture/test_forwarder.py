import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from shopstream.capture.counters import Counter
from shopstream.schemas import Unavailable

from .conftest import NOW


def ids(rig: Any) -> list[str]:
    return [event["event_id"] for event in rig.backend.events()]


def test_everything_arrives_once_and_in_order_and_the_disk_is_empty_again(new_rig: Any) -> None:
    rig = new_rig(segment_bytes=4096)
    tracked = [rig.track(number) for number in range(100)]
    rig.end()
    assert ids(rig) == tracked
    assert list(rig.directory.iterdir()) == []


def test_an_outage_is_waited_out_with_full_jitter_and_a_cap(rig: Any) -> None:
    rig.track()
    rig.backend.answers = [Unavailable("down")] * 12
    rig.ship()
    assert len(rig.backend.events()) == 1
    assert len(rig.waits) == rig.count(Counter.RETRIED) == 12
    assert all(0 <= wait <= 30 for wait in rig.waits)


def test_the_cursor_moves_only_after_the_acknowledgement(rig: Any) -> None:
    rig.track(1)
    rig.backend.answers = [Unavailable("down")]
    rig.forwarder._stop.set()
    with pytest.raises(Unavailable):
        rig.ship()
    rig.kill()
    after = rig.restart()
    after.ship()
    assert len(after.backend.events()) == 1


def test_an_answer_that_was_lost_makes_a_duplicate_of_the_same_event_id(rig: Any) -> None:
    event_id = rig.track()
    rig.backend.answers, rig.backend.keeps_before_answer = [Unavailable("lost")], True
    rig.ship()
    assert ids(rig) == [event_id, event_id]


def test_what_was_acknowledged_is_not_sent_again_by_the_next_process(rig: Any) -> None:
    rig.track(1)
    rig.ship()
    rig.kill()
    after = rig.restart()
    after.end()
    assert len(ids(rig)) == 1
    assert list(rig.directory.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"0", b"ffffffff 9 9\n"])
def test_a_broken_cursor_sends_again_what_is_spooled(rig: Any, content: bytes) -> None:
    event_id = rig.track()
    rig.ship()
    rig.kill()
    (cursor,) = rig.directory.glob("*/recording.cursor")
    cursor.write_bytes(content)
    after = rig.restart()
    after.ship()
    assert ids(rig) == [event_id, event_id]
    assert after.count(Counter.CURSORS_RESET) == 1


def test_a_torn_last_line_of_a_dead_writer_becomes_a_failed_event(rig: Any) -> None:
    event_id = rig.track()
    (segment,) = rig.segments()
    with segment.open("ab") as file:
        file.write(b'0123abcd search {"query":"red')
    rig.ship()
    assert rig.backend.failed() == []  # Its writer may still be writing it.
    rig.kill()
    after = rig.restart()
    after.ship()
    assert ids(rig) == [event_id]
    (failed,) = rig.backend.failed()
    assert (failed["stage"], failed["reason"], failed["payload_bytes"]) == ("capture", "damaged_line", 29)
    assert after.count(Counter.DAMAGED_LINES) == 1


def test_a_changed_byte_costs_its_own_line_only(rig: Any) -> None:
    tracked = [rig.track(number) for number in range(10)]
    (segment,) = rig.segments()
    content = bytearray(segment.read_bytes())
    content[content.index(b"q-4")] ^= 1
    segment.write_bytes(content)
    rig.ship()
    assert ids(rig) == tracked[:4] + tracked[5:]
    assert [failed["event_id"] for failed in rig.backend.failed()] == [tracked[4]]


def test_a_hole_without_any_newline_is_passed(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopstream.capture.folder_reader.LONGEST_LINE_BYTES", 400_000)
    rig.track(1)
    (segment,) = rig.segments()
    with segment.open("ab") as file:
        file.write(bytes(1_000_000) + b"\n")
    rig.spool._began -= 1_000_001
    second = rig.track(2)
    rig.ship()
    assert ids(rig)[-1] == second
    assert sum(failed["payload_bytes"] for failed in rig.backend.failed()) == 1_000_000


def test_a_folder_of_a_dead_writer_is_taken_over_by_one(rig: Any) -> None:
    tracked = [rig.track(number) for number in range(5)]
    rig.kill()
    first, second = rig.restart(), rig.restart()
    first.spool.directory.take_over()
    second.spool.directory.take_over()
    assert (first.count(Counter.FOLDERS_TAKEN_OVER), second.count(Counter.FOLDERS_TAKEN_OVER)) == (1, 0)
    second.ship()
    assert ids(rig) == []
    first.ship()
    assert ids(rig) == tracked


def test_the_folder_of_a_living_writer_is_left_to_it(rig: Any) -> None:
    rig.track()
    other = rig.restart()
    other.ship()
    assert ids(rig) == []


def test_the_folder_of_a_writer_without_backends_is_shipped_while_it_lives(new_rig: Any) -> None:
    writer = new_rig(forwards=False)
    tracked = [writer.track(1)]
    shipper = new_rig()
    shipper.ship()
    tracked.append(writer.track(2))
    shipper.ship()
    assert ids(shipper) == tracked
    assert len(writer.segments()) == 1


def test_one_backend_waits_while_another_goes_on(rig: Any) -> None:
    """Two forwarders, two cursors: a segment stays until both are past it."""
    from shopstream.capture.spool_directory import SpoolDirectory

    rig.track()
    (writer,) = rig.directory.iterdir()
    rig.kill()
    directory = SpoolDirectory(rig.directory, ("recording", "slow"), rig.counts)
    rig.spool.directory = directory
    rig.ship()
    assert len(ids(rig)) == 1
    assert len(rig.segments()) == 1
    rig.forwarder = rig.new_forwarder(backend="slow")
    rig.ship()
    assert len(ids(rig)) == 2
    assert not writer.exists()


def test_a_thread_survives_what_nobody_foresaw(new_rig: Any) -> None:
    rig = new_rig()
    event_id = rig.track(user_id="someone")
    rig.backend.answers = [ZeroDivisionError("someone")]
    forwarder = rig.new_forwarder()
    forwarder.start()
    assert forwarder.close(rig.clock() + 5)
    assert ids(rig) == [event_id]
    assert rig.count(Counter.FORWARDER_ERRORS) == 1


def test_drain_waits_for_the_acknowledgement_of_what_was_tracked(rig: Any) -> None:
    rig.forwarder.start()
    for number in range(20):
        event_id = rig.track(number)
        assert rig.forwarder.drain(rig.clock() + 5)
        assert ids(rig)[-1] == event_id
    assert rig.capture.close() == 0


def test_close_says_what_is_left(rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    rig.track()
    rig.backend.answers = [Unavailable("down")] * 10**6
    rig.forwarder._sleep = rig.forwarder._pause
    rig.forwarder.start()
    left = rig.capture.close(0.2)
    assert left == sum(path.stat().st_size for path in rig.segments()) > 0
    assert "left in the spool" in caplog.text


def test_an_event_after_close_is_kept_for_the_next_start(rig: Any) -> None:
    rig.forwarder.start()
    rig.capture.close()
    event_id = rig.track()
    assert event_id
    rig.kill()
    after = rig.restart()
    after.ship()
    assert ids(rig) == [event_id]


def test_no_log_line_holds_a_payload(rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    rig.track(user_id="someone")
    rig.backend.answers = [Unavailable("down"), Unavailable("down")]
    (segment,) = rig.segments()
    segment.write_bytes(segment.read_bytes().replace(b"someone", b"samebne"))
    rig.ship()
    assert "samebne" not in caplog.text
    assert orjson.loads(orjson.dumps(rig.backend.failed()))


def test_a_write_still_under_way_in_a_retired_segment_is_awaited_by_another_process(new_rig: Any) -> None:
    writer = new_rig(forwards=False, segment_bytes=4096)
    tracked = [writer.track(1)]
    (first,) = writer.segments()
    under_way = writer.spool._segment  # What a thread in the middle of its write holds.
    late = first.read_bytes()
    with writer.spool._attending:
        writer.spool._let_go()
    tracked.append(writer.track(2))
    shipper = new_rig()
    shipper.ship()
    assert ids(shipper) == tracked[:1]
    os.write(under_way.descriptor, late)
    del under_way
    shipper.ship()
    assert ids(shipper) == [tracked[0], tracked[0], tracked[1]]


def test_batches_are_bounded_by_events_and_one_a_round_where_all_was_taken(new_rig: Any) -> None:
    rig = new_rig(batch_events=100)
    sizes: list[int] = []
    send = rig.backend.send

    def counting(batch: Any) -> None:
        sizes.append(len(batch))
        send(batch)
        rig.track()  # The service goes on meanwhile.

    rig.backend.send = counting
    for number in range(250):
        rig.track(number)
    rig.clock.seconds += 1
    while rig.forwarder.ship():
        pass
    assert sum(sizes) >= 250
    assert len(sizes) <= 4


def test_a_segment_that_cannot_be_opened_now_waits_and_the_others_go_on(
    rig: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = rig.track(1)
    rig.kill()
    after = rig.restart()
    second = after.track(2)
    after.spool.directory.take_over()
    stuck = after.spool.directory.shipped()[0]
    with monkeypatch.context() as patch:
        patch.setattr(stuck, "open_segment", fails_with(errno.EMFILE))
        after.ship()
        after.ship()
    healthy = ids(after)
    assert len(healthy) == 1
    assert len([entry for entry in caplog.records if "cannot be read" in entry.message]) == 1
    after.ship()
    assert set(ids(after)) == {first, second}
    assert after.count(Counter.SEGMENTS_LOST) == 0


def fails_with(number: int) -> Any:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_cursor_beyond_the_end_of_its_segment_sends_again(rig: Any) -> None:
    tracked = [rig.track(number) for number in range(10)]
    rig.ship()
    rig.kill()
    (segment,) = rig.segments()
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:3]))
    after = rig.restart()
    after.ship()
    assert ids(rig) == tracked + tracked[:3]
    assert after.count(Counter.CURSORS_RESET) == 1


def test_an_idle_forwarder_lists_no_directory_and_opens_no_file(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.track()
    rig.ship()
    touched: list[str] = []
    for name in ("listdir", "open", "stat"):
        monkeypatch.setattr(os, name, lambda *_, name=name, **__: touched.append(name))
    assert not rig.forwarder.ship()
    monkeypatch.undo()
    assert touched == []


def age(half_made: Path) -> None:
    os.utime(half_made, (NOW.timestamp() - 61, NOW.timestamp() - 61))


def test_a_folder_left_half_made_by_a_dead_process_is_removed(rig: Any) -> None:
    rig.track()
    half_made = rig.directory / ".20261120T120000-4711-0123abcd"
    half_made.mkdir()
    (half_made / "writer.lock").touch()
    age(half_made)
    rig.ship()
    assert not half_made.exists()


def test_a_folder_that_is_just_being_made_is_left_alone(rig: Any) -> None:
    rig.track()
    being_made = rig.directory / ".20261120T120000-4711-0123abcd"
    being_made.mkdir()
    with (being_made / "writer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        age(being_made)
        rig.ship()
        assert being_made.exists()


def test_forwarders_that_look_while_a_folder_is_made_cost_no_event(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between making the folder and locking it, where the first event of a process meets the first look of each."""
    make = Path.mkdir
    directory = rig.spool.directory

    def look_after_making(path: Path, *arguments: Any, **named: Any) -> None:
        make(path, *arguments, **named)
        if path.name.startswith("."):
            os.utime(path, (NOW.timestamp(), NOW.timestamp()))
            for _ in range(2):
                directory.take_over()
                directory.clear_half_made(NOW)

    monkeypatch.setattr(Path, "mkdir", look_after_making)
    assert rig.track()
    rig.ship()
    assert len(ids(rig)) == 1
    assert rig.count(Counter.REFUSED_DISK) == 0


def test_a_clock_put_back_between_two_starts_loses_and_repeats_nothing(new_rig: Any) -> None:
    """Writer ids begin with the wall clock, and only their order in the directory follows from it."""
    rig = new_rig()
    tracked = [rig.track(1)]
    rig.kill()
    folder = next(rig.directory.iterdir())
    folder.rename(folder.with_name("2999" + folder.name[4:]))
    after = rig.restart()
    tracked.append(after.track(2))
    after.ship()
    assert sorted(ids(after)) == sorted(tracked)


def test_a_drain_awaits_the_segment_behind_one_that_is_still_written_to(rig: Any) -> None:
    rig.forwarder.start()
    first = rig.track(1)
    under_way = rig.spool._segment
    with rig.spool._attending:
        rig.spool._let_go()
    second = rig.track(2)
    assert not rig.forwarder.drain(rig.clock() + 0.2)
    del under_way
    assert rig.forwarder.drain(rig.clock() + 5)
    assert ids(rig) == [first, second]
