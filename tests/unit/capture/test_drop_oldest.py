from typing import Any

import orjson
import pytest

from shopstream.capture.counters import Counter
from shopstream.capture.spool_format import Record, complete_lines, parse
from shopstream.schemas import Unavailable


def spooled(rig: Any) -> set[str]:
    lines = [line for path in rig.segments() for line in complete_lines(path.read_bytes())[0]]
    pieces = [piece for line in lines for piece in parse(line)]
    return {orjson.loads(piece.document)["event_id"] for piece in pieces if isinstance(piece, Record)}


def test_the_oldest_segments_give_way_and_every_record_of_them_is_counted(new_rig: Any) -> None:
    rig = new_rig(max_bytes=20_000, segment_bytes=2000, drops_oldest=True)
    tracked = [rig.track(number) for number in range(300)]
    assert None not in tracked
    kept = spooled(rig)
    assert kept == set(tracked[-len(kept) :])
    assert rig.count(Counter.DROPPED_OLDEST) == 300 - len(kept) > 0
    assert rig.count(Counter.REFUSED_FULL) == rig.count(Counter.SEGMENTS_LOST) == 0
    assert sum(path.stat().st_size for path in rig.segments()) <= 20_000
    rig.ship()
    assert [event["event_id"] for event in rig.backend.events()] == tracked[-len(kept) :]


def test_what_is_acknowledged_or_being_sent_is_not_counted_as_dropped(new_rig: Any) -> None:
    rig = new_rig(max_bytes=20_000, segment_bytes=2000, drops_oldest=True, batch_events=2)
    first = [rig.track(number) for number in range(3)]
    rig.backend.answers = [Unavailable("down")] * 2
    rig.forwarder._sleep = lambda _: rig.forwarder._stop.set()
    with pytest.raises(Unavailable):
        rig.ship()
    rig.forwarder._stop.clear()
    later = [rig.track(number) for number in range(300)]
    rig.ship()
    delivered = [event["event_id"] for event in rig.backend.events()]
    assert delivered[:3] == first
    assert len(delivered) + rig.count(Counter.DROPPED_OLDEST) == 303
    assert delivered[3:] == [each for each in later if each in set(delivered)]


def test_a_spool_of_one_segment_refuses_the_newest_all_the_same(new_rig: Any) -> None:
    rig = new_rig(max_bytes=2000, segment_bytes=100_000, drops_oldest=True)
    answers = [rig.track(number) for number in range(20)]
    assert rig.count(Counter.REFUSED_FULL) == answers.count(None) > 0
    assert rig.count(Counter.DROPPED_OLDEST) == 0


def test_only_the_process_that_ships_a_folder_drops_of_it(new_rig: Any) -> None:
    owner = new_rig(segment_bytes=2000, max_bytes=10**6)
    tracked = [owner.track(number) for number in range(30)]
    other = new_rig(max_bytes=1000, segment_bytes=500, drops_oldest=True)
    other.spool.make_room()
    assert other.track() is None
    assert spooled(owner) == set(tracked)
    assert other.count(Counter.DROPPED_OLDEST) == 0


def test_the_forwarder_of_another_process_drops_for_a_writer_that_may_not(new_rig: Any) -> None:
    settings: dict[str, Any] = {"max_bytes": 20_000, "segment_bytes": 2000, "drops_oldest": True}
    writer = new_rig(forwards=False, **settings)
    shipper = new_rig(**settings)
    kept = 0
    for number in range(300):
        kept += writer.track(number) is not None
        shipper.spool.directory.take_over()
        shipper.spool.make_room()
        writer.clock.seconds += 1
    assert kept == 300
    shipper.ship()
    assert len(shipper.backend.events()) + shipper.count(Counter.DROPPED_OLDEST) == 300


def test_a_backend_that_had_a_part_of_a_segment_is_not_said_to_lack_it(new_rig: Any) -> None:
    rig = new_rig(segment_bytes=2000)
    for number in range(4):
        rig.track(number)
    rig.ship()
    while len(rig.segments()) < 2:
        rig.track()
    rig.kill()
    (folder,) = {path.parent for path in rig.segments()}
    lines = rig.segments()[0].read_bytes().count(b"\n")
    after = rig.restart()
    after.spool.directory.take_over()
    assert folder.exists()
    assert after.spool.directory.drop_oldest() == lines - 4 == after.count(Counter.DROPPED_OLDEST)
