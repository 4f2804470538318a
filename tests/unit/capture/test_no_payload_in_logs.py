"""Whatever goes wrong, no log line holds a value of an event."""

import logging
import shutil
from collections import UserDict
from collections.abc import Iterator
from typing import Any

import pytest

from shopstream.capture import capture_search, context, search
from shopstream.capture.counters import Counter
from shopstream.schemas import Reason, Rejected, Unavailable

MARKER = "marker-7f3a"


class Bursting(UserDict[str, object]):
    """A caller's mapping that raises, quoting itself."""

    def keys(self) -> Any:
        raise RuntimeError(MARKER)


def bursting_products() -> Iterator[str]:
    yield MARKER
    raise RuntimeError(MARKER)


def failing_handler(rig: Any) -> None:
    with capture_search(rig.capture, query=MARKER) as call:
        call.results(bursting_products())
        raise ValueError(MARKER)


def wrong_events(rig: Any) -> None:
    endless: list[object] = []
    endless.append(endless)
    for event in (
        {"event_type": MARKER},
        {"event_type": "search", "query": MARKER, "query_id": MARKER * 100},
        {"event_type": "search", "query": object(), MARKER: MARKER},
        {"event_type": "search", "query": endless},
        search(query_id="q", query=MARKER * 100_000),
        MARKER,
        Bursting(query=MARKER),
    ):
        assert rig.capture.track(event) is None
    for line in (MARKER, f'{{"query":"{MARKER}"', f'{{"event_type":"{MARKER}"}}', f'["{MARKER}"]'):
        assert rig.capture.track_line(line.encode()) is None


def a_handler_that_fails(rig: Any) -> None:
    with pytest.raises(ValueError, match=MARKER):
        failing_handler(rig)


def a_backend_that_refuses_fails_and_bursts(rig: Any) -> None:
    rig.capture.track(search(query_id=MARKER, query=MARKER))
    rig.backend.answers = [
        Unavailable("the server is away"),
        RuntimeError(MARKER),
        Rejected(Reason.ROW_REFUSED, "refused"),
    ]
    rig.forwarder.start()
    assert rig.capture.drain(30)
    assert rig.count(Counter.FORWARDER_ERRORS) == 1
    assert rig.count(Counter.BACKEND_REFUSED) == 1


def a_spool_that_is_damaged_full_and_gone(rig: Any) -> None:
    rig.capture.track(search(query_id=MARKER, query=MARKER))
    (segment, *_) = rig.segments()
    segment.write_bytes(segment.read_bytes().replace(MARKER.encode(), MARKER.upper().encode(), 1))
    rig.ship()
    shutil.rmtree(rig.directory)
    rig.directory.write_text("no directory")
    rig.clock.seconds += 10
    assert rig.capture.track(search(query_id=MARKER, query=MARKER)) is None


@pytest.mark.parametrize(
    "trouble",
    [
        wrong_events,
        a_handler_that_fails,
        a_backend_that_refuses_fails_and_bursts,
        a_spool_that_is_damaged_full_and_gone,
    ],
)
def test_no_log_line_holds_a_value_of_an_event(rig: Any, trouble: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with context(user_id=MARKER, session_id=MARKER):
        trouble(rig)
    rig.capture.close(0)
    assert [vars(record) for record in caplog.records if MARKER in str(vars(record)).lower()] == []


def test_each_of_these_troubles_is_logged_all_the_same(rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    wrong_events(rig)
    assert rig.count(Counter.CRASHED) == 1
    a_spool_that_is_damaged_full_and_gone(rig)
    said = caplog.text
    assert "an event was not captured: RuntimeError" in said
    assert "the disk does not take events" in said
