"""What a backend refuses for good: it becomes a failed event, its neighbours go on, and nothing is lost for it."""

from typing import Any

from shopstream.capture.backends import RefusedInPart
from shopstream.capture.counters import Counter
from shopstream.schemas import Reason, Rejected


def ids(rig: Any) -> list[str]:
    return [event["event_id"] for event in rig.backend.events()]


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


def test_a_batch_refused_in_part_is_sent_once_and_what_was_refused_fails(rig: Any) -> None:
    tracked = [rig.track(number) for number in range(5)]
    rig.backend.keeps_before_answer = True
    reasons = {1: Rejected(Reason.ROW_REFUSED, "no"), 3: Rejected(Reason.TOO_LARGE, "no", field="query")}
    rig.backend.answers = [RefusedInPart(reasons)]
    rig.ship()
    assert ids(rig) == tracked  # This backend keeps what it refuses too, so that a second send would show.
    failed = [(each["event_id"], each["reason"], each.get("field")) for each in rig.backend.failed()]
    assert failed == [(tracked[1], "row_refused", None), (tracked[3], "too_large", "query")]
    assert (rig.count(Counter.BACKEND_REFUSED), rig.count(Counter.FORWARDED)) == (2, 3 + 2)


def test_a_failed_event_refused_in_part_waits_in_the_spool(rig: Any) -> None:
    rig.track()
    rig.capture.track({"event_type": "search"})
    rig.backend.answers = [RefusedInPart({1: Rejected(Reason.ROW_REFUSED, "no")})]
    rig.ship()
    assert (len(rig.backend.events()), len(rig.backend.failed())) == (1, 1)
    assert (rig.count(Counter.BACKEND_REFUSED), rig.count(Counter.RETRIED)) == (0, 1)


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
