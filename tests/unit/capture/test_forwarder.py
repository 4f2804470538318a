from typing import Any

import orjson
import pytest

from shopstream.capture.counters import Counter
from shopstream.schemas import Reason, Rejected, Unavailable


def ids(rig: Any) -> list[str]:
    return [event["event_id"] for event in rig.backend.events()]


def test_everything_arrives_once_and_in_order_and_the_disk_is_empty_again(new_rig: Any) -> None:
    rig = new_rig(segment_bytes=4096)
    tracked = [rig.track(number) for number in range(100)]
    rig.ship()
    rig.spool.close()
    rig.ship()
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
    after.ship()
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


def test_a_refused_event_becomes_a_failed_event_and_its_neighbours_go_on(rig: Any) -> None:
    tracked = [rig.track(number) for number in range(50)]
    poison = tracked[17]
    rig.backend.refuses = lambda record: (
        Rejected(Reason.ROW_REFUSED, "no")
        if record.event_type == "search" and poison.encode() in record.document
        else None
    )
    rig.ship()
    assert ids(rig) == [event_id for event_id in tracked if event_id != poison]
    (failed,) = rig.backend.failed()
    assert (failed["event_id"], failed["stage"], failed["reason"]) == (poison, "capture", "row_refused")
    assert rig.count(Counter.BACKEND_REFUSED) == 1


def test_a_backend_that_refuses_even_failed_events_loses_nothing(rig: Any) -> None:
    rig.track()
    refusals: list[int] = []

    def refuse(_: object) -> Exception | None:
        refusals.append(1)
        return Rejected(Reason.ROW_REFUSED, "no") if len(refusals) < 10 else None

    rig.backend.refuses = refuse
    rig.ship()
    assert len(rig.backend.failed()) == 1
    assert rig.backend.events() == []


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
    rig.spool._size += 1_000_001
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
    rig.kill()
    directory = SpoolDirectory(rig.directory, ("recording", "slow"), rig.counts)
    rig.spool.directory = directory
    rig.ship()
    assert len(ids(rig)) == 1
    assert len(rig.segments()) == 1
    rig.forwarder = rig.new_forwarder(backend="slow")
    rig.ship()
    assert len(ids(rig)) == 2
    assert rig.segments() == []


def test_a_thread_survives_what_nobody_foresaw(new_rig: Any) -> None:
    rig = new_rig()
    event_id = rig.track(user_id="someone")
    rig.backend.answers = [ZeroDivisionError("someone")]
    forwarder = rig.new_forwarder()
    forwarder._pause = lambda _: None
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
