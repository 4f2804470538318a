"""What OpenTelemetry reads of a capture, through its own SDK."""

import gc
import shutil
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from shopstream.capture.counters import Counter, Counts
from shopstream.capture.metrics import BACKEND_GAUGES, GAUGES, report
from shopstream.schemas import Unavailable

SOURCE = {"shopstream.source": "shop"}
RECORDING = SOURCE | {"shopstream.backend": "recording"}


class Reading:
    """A service's own OpenTelemetry."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def read(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """Every point by its instrument's name."""
        found = self._reader.get_metrics_data()
        return {
            metric.name: sorted(
                ((dict(point.attributes or {}), point.value) for point in metric.data.data_points),  # type: ignore[union-attr]
                key=lambda point: str(sorted(point[0].items())),
            )
            for resource in (found.resource_metrics if found else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_every_counter_and_gauge_there_is_can_be_read(rig: Any, reading: Reading) -> None:
    report(rig.capture, rig.counts, "shop", reading.provider)
    assert set(reading.read()) == {f"shopstream.{counter}" for counter in Counter} | set(GAUGES) | set(BACKEND_GAUGES)


def test_what_happened_is_read_by_source_and_backend(rig: Any, reading: Reading) -> None:
    report(rig.capture, rig.counts, "shop", reading.provider)
    for number in range(5):
        rig.track(number)
    rig.capture.track({"event_type": "search"})
    before = reading.read()
    assert before["shopstream.capture.captured"] == [(SOURCE, 5)]
    assert before["shopstream.capture.failed"] == [(SOURCE, 1)]
    assert before["shopstream.capture.backend.lag.records"] == [(RECORDING, 6)]
    assert before["shopstream.capture.spool.size"][0][1] > 0
    rig.ship()
    after = reading.read()
    assert after["shopstream.capture.forwarded"] == [(RECORDING, 6), (SOURCE, 0)]
    assert after["shopstream.capture.backend.lag.records"] == [(RECORDING, 0)]
    assert after["shopstream.capture.backend.lag.time"] == [(RECORDING, 0)]


def test_a_backend_that_is_down_shows_in_retries_lag_and_breaker(rig: Any, reading: Reading) -> None:
    report(rig.capture, rig.counts, "shop", reading.provider)
    rig.track()
    rig.backend.answers = [Unavailable("the server is away")] * 6
    seen: list[list[tuple[dict[str, Any], float]]] = []

    def sleep(seconds: float) -> None:
        seen.append(reading.read()["shopstream.capture.backend.breaker"])
        rig.wait(seconds)

    rig.forwarder = rig.new_forwarder(sleep)
    rig.capture._forwarders = (rig.forwarder,)
    rig.ship()
    assert seen[0] == [(RECORDING, 0)]
    assert seen[4] == [(RECORDING, 2)]
    after = reading.read()
    assert after["shopstream.capture.retried"] == [(RECORDING, 6), (SOURCE, 0)]
    assert after["shopstream.capture.breaker_opened"][0][1] >= 1
    assert after["shopstream.capture.backend.breaker"] == [(RECORDING, 0)]


def test_two_captures_of_one_process_are_read_by_their_sources(new_rig: Any, reading: Reading, tmp_path: Any) -> None:
    first, second = new_rig(tmp_path / "a"), new_rig(tmp_path / "b")
    report(first.capture, first.counts, "shop", reading.provider)
    report(second.capture, second.counts, "orders", reading.provider)
    first.track()
    assert reading.read()["shopstream.capture.captured"] == [({"shopstream.source": "orders"}, 0), (SOURCE, 1)]


def test_a_spool_that_is_gone_does_not_stop_the_reading(rig: Any, reading: Reading) -> None:
    report(rig.capture, rig.counts, "shop", reading.provider)
    rig.track()
    shutil.rmtree(rig.directory)
    assert reading.read()["shopstream.capture.captured"] == [(SOURCE, 1)]
    assert reading.read()["shopstream.capture.spool.size"] == [(SOURCE, 0)]


def test_a_capture_that_is_no_more_is_not_read(reading: Reading) -> None:
    class Gone:
        def health(self) -> Any:
            raise AssertionError

    capture = Gone()
    report(capture, Counts(), "shop", reading.provider)
    del capture
    gc.collect()
    assert reading.read().get("shopstream.capture.captured", []) == []


def test_reading_names_no_user_and_no_text(rig: Any, reading: Reading) -> None:
    report(rig.capture, rig.counts, "shop", reading.provider)
    rig.track(user_id="u-marker")
    rig.capture.track({"event_type": "marker"})
    rig.ship()
    assert "marker" not in str(reading.read())
