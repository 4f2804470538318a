"""The entries of the ledger: what they hold, when they are written, and that they account for everything once."""

import os
import shutil
from typing import Any

import pytest

from shopstream.capture.counters import Counter
from shopstream.capture.tally import events_in
from shopstream.schemas import Rejected


def told(entry: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(entry.get(name) for name in names)


NUMBERS = ("first_sequence", "last_sequence", "captured", "failed", "closing")


def test_each_minute_in_which_something_happened_has_an_entry(rig: Any) -> None:
    for minute in range(3):
        for number in range(2 * minute):
            rig.track(number)
        rig.clock.seconds += 60
        rig.ship()
    rig.capture.track({"event_type": "search"})
    rig.end()
    entries = [told(entry, *NUMBERS) for entry in rig.backend.ledger()]
    assert entries == [(1, 2, 2, 0, False), (3, 6, 4, 0, False), (7, 7, 0, 1, True)]
    assert {entry["writer_id"] for entry in rig.backend.ledger()} == {
        event["writer_id"] for event in rig.backend.events()
    }


def test_entries_are_not_entered_themselves_and_come_to_an_end(rig: Any) -> None:
    rig.track()
    for _ in range(10):
        rig.clock.seconds += 60
        rig.ship()
    captured, sent = rig.backend.ledger()
    assert (captured["captured"], captured["sent"]) == (1, [])
    assert (sent["captured"], sent["sent"]) == (0, [{"backend": "recording", "records": 1}])
    assert rig.count(Counter.FORWARDED) == 1
    assert events_in(rig.backend.received) == 1


def test_a_writer_that_numbered_nothing_has_no_entry(rig: Any) -> None:
    rig.end()
    assert rig.backend.ledger() == []
    assert list(rig.directory.parent.glob("spool/*")) == []


def test_a_killed_writer_is_closed_by_the_next_once(rig: Any) -> None:
    for number in range(4):
        rig.track(number)
    (writer_id,) = (folder.name for folder in rig.directory.iterdir())
    rig.kill()
    after = rig.restart()
    after.ship()
    after.ship()
    after.end()
    (entry,) = after.backend.ledger()
    assert told(entry, "writer_id", *NUMBERS) == (writer_id, None, 4, 0, 0, True)
    assert entry["sent"] == [{"backend": "recording", "records": 4}]


def test_a_folder_stays_until_its_last_entry_is_on_disk(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.track()
    rig.kill()
    after = rig.restart()
    monkeypatch.setattr(after.spool, "append", lambda *_, **__: False)
    after.ship()
    assert len(list(rig.directory.iterdir())) == 1
    monkeypatch.undo()
    after.end()
    assert len(after.backend.ledger()) == 1
    assert list(rig.directory.iterdir()) == []


def test_a_living_writer_without_backends_is_entered_by_whoever_ships_it(new_rig: Any) -> None:
    writer, shipper = new_rig(forwards=False), new_rig()
    for number in range(3):
        writer.track(number)
    shipper.ship()
    shipper.clock.seconds += 60
    shipper.ship()
    (entry,) = shipper.backend.ledger()
    assert told(entry, *NUMBERS) == (None, 3, 0, 0, False)
    writer.ledger.close()
    writer.spool.close()
    shipper.end()
    closed = [told(entry, *NUMBERS) for entry in shipper.backend.ledger() if entry.get("closing")]
    assert (1, 3, 3, 0, True) in closed


def test_a_writer_whose_folder_was_deleted_is_closed_and_the_next_begins_at_one(rig: Any) -> None:
    for number in range(3):
        rig.track(number)
    shutil.rmtree(rig.directory)
    rig.clock.seconds += 1
    rig.track(3)
    rig.end()
    assert [told(entry, *NUMBERS[:2]) for entry in rig.backend.ledger() if entry.get("first_sequence")] == [
        (1, 3),
        (1, 1),
    ]


def test_a_number_whose_event_the_disk_did_not_take_is_skipped_or_given_again(
    rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.track(1)
    write = os.write
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    assert rig.track(2) is None  # Nobody took a number since: it is given again.
    monkeypatch.setattr(os, "write", write)
    rig.track(3)

    def fails_after_another(*_: object) -> int:
        monkeypatch.setattr(os, "write", write)
        rig.track(4)  # Another thread is quicker.
        raise OSError(28, "full")

    monkeypatch.setattr(os, "write", fails_after_another)
    assert rig.track(5) is None
    monkeypatch.undo()
    rig.end()
    (entry,) = rig.backend.ledger()
    assert told(entry, "first_sequence", "last_sequence", "captured", "skipped") == (1, 4, 3, 1)
    assert entry["refused"] == [{"reason": "capture.refused.disk", "events": 2}]
    assert [event["sequence"] for event in rig.backend.events()] == [1, 2, 4]


def test_what_was_dropped_to_make_room_is_entered(new_rig: Any) -> None:
    rig = new_rig(max_bytes=12_000, segment_bytes=4096, drops_oldest=True)
    for number in range(60):
        assert rig.track(number) is not None
    rig.end()
    dropped = rig.count(Counter.DROPPED_OLDEST)
    assert dropped > 0
    assert sum(entry.get("dropped", 0) for entry in rig.backend.ledger()) == dropped
    assert len(rig.backend.events()) == 60 - dropped


def test_a_forked_child_accounts_for_its_own_only(rig: Any) -> None:
    rig.track(1)
    rig.capture.track({"event_type": "search"})
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        numbers = rig.spool.take_numbers()
        rig.ledger.close()
        os.write(write, b"%d" % (len(numbers) + sum(rig.counts.snapshot().values())))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"0"
    rig.end()
    (entry,) = rig.backend.ledger()
    assert told(entry, *NUMBERS) == (1, 2, 1, 1, True)


def test_a_strict_capture_numbers_no_wrong_event(new_rig: Any) -> None:
    rig = new_rig(strict=True)
    with pytest.raises(Rejected):
        rig.capture.track({"event_type": "search"})
    rig.track()
    rig.end()
    (entry,) = rig.backend.ledger()
    assert told(entry, *NUMBERS) == (1, 1, 1, 0, True)
