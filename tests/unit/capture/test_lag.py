from datetime import timedelta
from typing import Any

import pytest

from shopstream.capture.counters import Counter
from shopstream.capture.lag import LagMeter
from shopstream.capture.spool_format import Entry
from shopstream.schemas import Unavailable

from .conftest import NOW


def fail_for_good(rig: Any, times: int) -> None:
    """So many sends fail, and then the forwarder is told to stop."""
    rig.backend.answers = [Unavailable("the server is away")] * times
    sleep = rig.forwarder._sleep

    def wait(seconds: float) -> None:
        sleep(seconds)
        if not rig.backend.answers:
            rig.forwarder._stop.set()
            rig.backend.answers = [Unavailable("the server is away")]

    rig.forwarder._sleep = wait
    with pytest.raises(Unavailable):
        rig.ship()
    rig.forwarder._stop.clear()
    rig.forwarder._sleep = sleep
    rig.backend.answers = []


def test_what_is_acknowledged_is_no_lag(rig: Any) -> None:
    for number in range(10):
        rig.track(number)
    waiting = rig.forwarder.health()
    assert (waiting.lag_events, waiting.lag_bytes) == (10, rig.segments()[0].stat().st_size)
    rig.ship()
    done = rig.forwarder.health()
    assert (done.lag_events, done.lag_bytes, done.lag_seconds) == (0, 0, 0.0)
    for number in range(3):
        rig.track(number)
    assert rig.forwarder.health().lag_events == 3


def test_lag_is_counted_over_segments_folders_and_kills(new_rig: Any) -> None:
    rig = new_rig(segment_bytes=2048)
    for number in range(30):
        rig.track(number)
    assert len(rig.segments()) > 3
    rig.kill()
    after = rig.restart()
    for number in range(7):
        after.track(number)
    after.spool.directory.take_over()
    assert after.forwarder.health().lag_events == 37
    after.ship()
    assert after.forwarder.health().lag_events == 0


def test_the_age_of_the_oldest_counts_whatever_the_clocks_did(rig: Any) -> None:
    rig.track(1)
    rig.track(2)
    meter = LagMeter("recording", rig.counts)
    folders = rig.spool.directory.shipped()
    assert meter.measure(folders, NOW + timedelta(seconds=90)).seconds == 90.0
    assert meter.measure(folders, NOW - timedelta(hours=2)).seconds == 0.0  # The clock was put back, or is another's.


def test_a_second_look_reads_only_what_is_new(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.track(1)
    meter = LagMeter("recording", rig.counts)
    folders = rig.spool.directory.shipped()
    assert meter.measure(folders, NOW).events == 1
    opened: list[int] = []
    monkeypatch.setattr(folders[0], "open_segment", opened.append)
    assert meter.measure(folders, NOW).events == 1
    assert opened == []


def test_health_says_what_a_breaker_does_and_why(rig: Any) -> None:
    rig.track()
    fail_for_good(rig, 6)
    health = rig.capture.health()
    assert not health.ok
    (backend,) = health.backends
    assert (backend.backend, backend.breaker, backend.last_error) == ("recording", "open", "the server is away")
    assert rig.count(Counter.BREAKER_OPENED) == 3
    assert rig.counts.by_backend()["recording"][Counter.RETRIED] == rig.count(Counter.RETRIED)
    rig.clock.seconds += 60
    rig.ship()
    health = rig.capture.health()
    assert health.ok
    assert (health.backends[0].breaker, health.backends[0].last_error, health.backends[0].lag_events) == (
        "closed",
        None,
        0,
    )
    assert health.spooled_bytes + health.room_bytes == 10**9


def test_a_full_spool_is_not_ok(new_rig: Any) -> None:
    rig = new_rig(max_bytes=10)
    rig.spool.append(Entry("failed_event", b'{"x":1}'), bounded=False)
    assert not rig.capture.health().ok
    assert rig.capture.health().room_bytes == 0
