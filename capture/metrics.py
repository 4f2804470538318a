"""What capture counts and how it is, as OpenTelemetry metrics; nothing is done for a single event.

The instruments belong to OpenTelemetry's API: a service that has set up a MeterProvider of its own finds them there,
and one that has not pays nothing. They are read when the service's exporter asks. docs/metrics.md lists them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter_provider

from shopstream.schemas.failure import code_version

from .counters import Counter, Counts
from .health import BackendHealth, Health

SCOPE = "shopstream.capture"
SOURCE = "shopstream.source"
"""Attribute: CAPTURE_SOURCE of the capture."""
BACKEND = "shopstream.backend"
"""Attribute: the backend, where it happened at one."""
BREAKER_STATES = ("closed", "half_open", "open")
"""By the value of the breaker's gauge."""

GAUGES: dict[str, tuple[str, str, Callable[[Health], float]]] = {
    "shopstream.capture.spool.size": (
        "By",
        "Size of the spool directory, of all its writers.",
        lambda health: health.spooled_bytes,
    ),
    "shopstream.capture.spool.room": (
        "By",
        "What the spool still takes. Alert before it is 0.",
        lambda health: health.room_bytes,
    ),
}
"""Name to unit, meaning and value."""
BACKEND_GAUGES: dict[str, tuple[str, str, Callable[[BackendHealth], float]]] = {
    "shopstream.capture.backend.lag.records": (
        "{record}",
        "Records the backend has not acknowledged.",
        lambda backend: backend.lag_events,
    ),
    "shopstream.capture.backend.lag.size": (
        "By",
        "Bytes of the spool the backend has not acknowledged.",
        lambda backend: backend.lag_bytes,
    ),
    "shopstream.capture.backend.lag.time": (
        "s",
        "Age of the oldest record the backend has not acknowledged. Alert on minutes.",
        lambda backend: backend.lag_seconds,
    ),
    "shopstream.capture.backend.breaker": (
        "1",
        "The backend's breaker: 0 closed, 1 half open, 2 open, which is when the backend is left alone for a while.",
        lambda backend: BREAKER_STATES.index(backend.breaker),
    ),
}
"""The same for each backend."""


class Observed(Protocol):
    """The part of Capture that is read."""

    def health(self) -> Health:
        """How it is."""


def report(capture: Observed, counts: Counts, source: str, provider: MeterProvider | None = None) -> None:
    """Let a provider, or the process's own, read this capture from now on, for as long as it lives.

    In a forked child it is the child's own figures that are read.
    """
    provider = get_meter_provider() if provider is None else provider
    if provider not in _observed:
        _observed[provider] = WeakKeyDictionary()
        _register(provider.get_meter(SCOPE, code_version()), _observed[provider])
    _observed[provider][capture] = counts, source


def export() -> None:
    """Send this process's metrics over OTLP, as the OTEL_ variables say; for a command, which has no service around it.

    Raises:
        ImportError: The extra `metrics` is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.metrics import set_meter_provider
    from opentelemetry.sdk.metrics import MeterProvider as Provider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    set_meter_provider(Provider([PeriodicExportingMetricReader(OTLPMetricExporter())]))


_Captures = WeakKeyDictionary[Observed, tuple[Counts, str]]
_Callback = Callable[[CallbackOptions], Iterable[Observation]]
# An instrument is made once a provider; one of the same name would be passed over, with its callback.
_observed: WeakKeyDictionary[MeterProvider, _Captures] = WeakKeyDictionary()


def _register(meter: Meter, captures: _Captures) -> None:
    for counter in Counter:
        meter.create_observable_counter(f"shopstream.{counter}", [_counted(counter, captures)], unit="1")
    for name, (unit, meaning, value) in GAUGES.items():
        meter.create_observable_gauge(name, [_measured(value, captures)], unit, meaning)
    for name, (unit, meaning, value_of) in BACKEND_GAUGES.items():
        meter.create_observable_gauge(name, [_measured_by_backend(value_of, captures)], unit, meaning)


def _counted(counter: Counter, captures: _Captures) -> _Callback:
    def observe(_: CallbackOptions) -> Iterator[Observation]:
        for counts, source in list(captures.values()):
            total = counts.snapshot()[counter]
            for backend, counted in counts.by_backend().items():
                if amount := counted.get(counter, 0):
                    total -= amount
                    yield Observation(amount, {SOURCE: source, BACKEND: backend})
            yield Observation(total, {SOURCE: source})

    return observe


def _measured(value: Callable[[Health], float], captures: _Captures) -> _Callback:
    def observe(_: CallbackOptions) -> Iterator[Observation]:
        for capture, (_counts, source) in list(captures.items()):
            yield Observation(value(capture.health()), {SOURCE: source})

    return observe


def _measured_by_backend(value: Callable[[BackendHealth], float], captures: _Captures) -> _Callback:
    def observe(_: CallbackOptions) -> Iterator[Observation]:
        for capture, (_counts, source) in list(captures.items()):
            for backend in capture.health().backends:
                yield Observation(value(backend), {SOURCE: source, BACKEND: backend.backend})

    return observe
