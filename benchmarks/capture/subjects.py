"""Everything that is measured, behind one small face. Runs in the project's environment or in the peers' own.

Each peer is used as its documentation begins, at its defaults, but for the address of the sink.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from .events import Event

OURS = "shopstream"
OURS_OFF = "shopstream, no backend"
FLOOR = "orjson and one append"
NOTHING = "an empty call"
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Address:
    """Where a sink listens, and where files may lie."""

    http: str
    pubsub: str
    directory: str


@dataclass(frozen=True)
class Subject:
    """Something that takes events."""

    track: Callable[[Event], object]
    close: Callable[[], object]
    """Send what is left, as far as the subject does."""


def _nothing(_: Address) -> Subject:
    return Subject(lambda _: None, lambda: None)


def _floor(address: Address) -> Subject:
    import orjson

    descriptor = os.open(Path(address.directory) / "floor", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    option = orjson.OPT_APPEND_NEWLINE
    return Subject(lambda event: os.write(descriptor, orjson.dumps(event, option=option)), lambda: os.close(descriptor))


def _ours(address: Address) -> Subject:
    from shopstream.capture import open_capture

    capture = open_capture(_environ(address) | {"PUBSUB_EMULATOR_HOST": address.pubsub})
    return Subject(capture.track, capture.close)


def _ours_off(address: Address) -> Subject:
    from shopstream.capture import open_capture

    capture = open_capture(_environ(address) | {"CAPTURE_PUBSUB_ENABLED": "false"})
    return Subject(capture.track, capture.close)


def _environ(address: Address) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name.startswith("CAPTURE_")}
    return {
        "CAPTURE_SPOOL_DIRECTORY": str(Path(address.directory) / "spool"),
        "GOOGLE_CLOUD_PROJECT": "shopstream-bench",
        **given,
    }


def _pubsub(address: Address) -> Subject:
    os.environ["PUBSUB_EMULATOR_HOST"] = address.pubsub
    client = import_module("google.cloud.pubsub_v1").PublisherClient()
    topic = client.topic_path("shopstream-bench", "events")
    latest: list[Any] = [None]

    def track(event: Event) -> None:
        latest[0] = client.publish(topic, json.dumps(event).encode())

    def close() -> None:
        client.stop()
        with suppress(Exception):
            latest[0].result(timeout=_PATIENCE_SECONDS)

    return Subject(track, close)


def _segment(address: Address) -> Subject:
    analytics: Any = import_module("segment.analytics")
    analytics.write_key, analytics.host = "key", address.http
    return Subject(lambda event: analytics.track(event["user_id"], "search", event), analytics.shutdown)


def _rudder(address: Address) -> Subject:
    analytics: Any = import_module("rudderstack.analytics")
    analytics.write_key, analytics.dataPlaneUrl = "key", address.http
    return Subject(lambda event: analytics.track(event["user_id"], "search", event), analytics.shutdown)


def _posthog(address: Address) -> Subject:
    client = import_module("posthog").Posthog("key", host=address.http)
    return Subject(
        lambda event: client.capture("search", distinct_id=event["user_id"], properties=event), client.shutdown
    )


def _snowplow(address: Address) -> Subject:
    snowplow = import_module("snowplow_tracker")
    # The synchronous emitter, which is the default, sends on the caller's thread: the other one is the fairer peer.
    emitter = snowplow.AsyncEmitter(address.http.removeprefix("http://"))
    tracker = snowplow.Tracker("search", emitter)
    schema = "iglu:com.example/search/jsonschema/1-0-0"

    def track(event: Event) -> object:
        return tracker.track(snowplow.SelfDescribing(snowplow.SelfDescribingJson(schema, event)))

    return Subject(track, tracker.flush)


def _mixpanel(address: Address) -> Subject:
    mixpanel: Any = import_module("mixpanel")
    client = mixpanel.Mixpanel("token", mixpanel.Consumer(events_url=f"{address.http}/track"))

    def track(event: Event) -> None:
        with suppress(mixpanel.MixpanelException):  # It sends on the caller's thread, and raises into it.
            client.track(event["user_id"], "search", event)

    return Subject(track, lambda: None)


def _amplitude(address: Address) -> Subject:
    amplitude = import_module("amplitude")
    client = amplitude.Amplitude("key")
    client.configuration.server_url = f"{address.http}/2/httpapi"

    def track(event: Event) -> object:
        return client.track(amplitude.BaseEvent(event_type="search", user_id=event["user_id"], event_properties=event))

    return Subject(track, client.shutdown)


def _opentelemetry(address: Address) -> Subject:
    logs = import_module("opentelemetry.sdk._logs")
    export = import_module("opentelemetry.sdk._logs.export")
    exporter = import_module("opentelemetry.exporter.otlp.proto.http._log_exporter")
    record = import_module("opentelemetry._logs").LogRecord
    provider = logs.LoggerProvider()
    provider.add_log_record_processor(
        export.BatchLogRecordProcessor(exporter.OTLPLogExporter(endpoint=f"{address.http}/v1/logs"))
    )
    logger = provider.get_logger("search")
    return Subject(lambda event: logger.emit(record(event_name="search", body=event)), provider.shutdown)


PEERS: dict[str, Callable[[Address], Subject]] = {
    "google-cloud-pubsub": _pubsub,
    "segment-analytics-python": _segment,
    "rudder-sdk-python": _rudder,
    "posthog": _posthog,
    "snowplow-tracker": _snowplow,
    "mixpanel": _mixpanel,
    "amplitude-analytics": _amplitude,
    "opentelemetry-sdk": _opentelemetry,
}
"""By the name of their package."""
SUBJECTS = {NOTHING: _nothing, FLOOR: _floor, OURS: _ours, OURS_OFF: _ours_off, **PEERS}
