"""The whole job on Beam's local runners into a null sink, beside the peer."""

import gc
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from google.cloud import pubsub_v1

from shopstream.pipeline.acknowledge import Fates, acknowledge
from shopstream.pipeline.clock import utc_now
from shopstream.pipeline.enrich_in_visits import EnrichInVisits
from shopstream.pipeline.graph import Job, build
from shopstream.pipeline.local_runner import add_up_metrics_at_once
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.pull import PullMessages
from shopstream.pipeline.sources import FromFiles, FromSubscription
from shopstream.pipeline.tombstones import Tombstones, nobody
from shopstream.schemas.message import pack

from . import null_sink, peer
from .events import lines
from .null_sink import CountOne, NullSink

LINES_PER_MESSAGE = 500
_STALL_SECONDS = 60.0


def _job(settings: PipelineSettings, source: beam.PTransform, *, streaming: bool) -> Job:
    enrich = EnrichInVisits(settings, utc_now, streaming=streaming)
    return Job(source, enrich, NullSink(), CountOne(), utc_now, Tombstones(nobody, None))


def batch_seconds(settings: PipelineSettings, file: Path, workers: int = 1) -> float:
    """The job once over a file of lines, on FnApiRunner; more than one worker are processes."""
    job = _job(settings, FromFiles(str(file), utc_now), streaming=False)
    return _timed(lambda pipeline: build(pipeline, job), workers)


def peer_batch_seconds(file: Path, *, with_beams_sink: bool) -> float:
    """The peer over the same file."""
    read = beam.io.ReadFromText(str(file), coder=_Bytes())
    return _timed(lambda pipeline: peer.flow(pipeline | read, with_beams_sink=with_beams_sink))


class _Bytes(beam.coders.BytesCoder):
    """Lines stay bytes."""


def _timed(make: Callable[[beam.Pipeline], object], workers: int = 1) -> float:
    gc.collect()
    several = [f"--direct_num_workers={workers}", "--direct_running_mode=multi_processing"] if workers > 1 else []
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *several]))
    make(pipeline)
    began = time.perf_counter()
    pipeline.run().wait_until_finish()
    return time.perf_counter() - began


@dataclass(frozen=True)
class Taken:
    """How a stream was taken."""

    rate: float
    """Events a second."""
    grown_mb: float
    """By how much more memory was resident at the end than after a quarter."""


def streaming_rate(settings: PipelineSettings, events: int) -> Taken:
    """Events a second of the streaming job on the peer's runner, from messages that wait in the emulator."""
    _publish_packed(settings, events)
    return _rate(events, lambda pipeline: build(pipeline, _job(settings, FromSubscription(settings), streaming=True)))


def streaming_here_rate(settings: PipelineSettings, events: int) -> Taken:
    """The same as the job runs on a laptop: on FnApiRunner, each message acknowledged when its events are taken."""
    _publish_packed(settings, events)
    add_up_metrics_at_once()
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", "--streaming"]))

    def acknowledge_and_stop(fates: Fates) -> None:
        acknowledge(fates, settings, utc_now)
        fates.stored | "Stop" >> beam.ParDo(null_sink.StopAfter(events))

    job = _job(settings, PullMessages(settings, utc_now), streaming=True)
    build(pipeline, replace(job, acknowledge=acknowledge_and_stop))
    null_sink.taken = 0
    running = Thread(target=_run_to_the_end, args=(pipeline,))
    running.start()
    taken = _rate_of_taking(events)
    running.join(_STALL_SECONDS)
    return taken


def _run_to_the_end(pipeline: beam.Pipeline) -> None:
    with suppress(Exception):  # TakenAll, in whatever the runner makes of it.
        pipeline.run()


def _publish_packed(settings: PipelineSettings, events: int) -> None:
    everything = list(lines(events))
    messages = [everything[start : start + LINES_PER_MESSAGE] for start in range(0, events, LINES_PER_MESSAGE)]
    for some in messages:
        packed = pack("mixed", some)
        attributes = {name: value for name, value in packed.attributes.items() if name != "event_type"}
        _publish(settings, packed.data, attributes)


def peer_streaming_rate(settings: PipelineSettings, events: int, *, with_beams_sink: bool) -> Taken:
    """The same of the peer, one event a message."""
    for line in lines(events):
        _publish(settings, line, {})
    name = f"projects/{settings.google_cloud_project}/subscriptions/{settings.pubsub_subscription}"
    read = ReadFromPubSub(subscription=name)
    return _rate(events, lambda pipeline: peer.flow(pipeline | read, with_beams_sink=with_beams_sink))


def _publish(settings: PipelineSettings, data: bytes, attributes: dict[str, Any]) -> None:
    publisher = _publish.__dict__.setdefault("client", pubsub_v1.PublisherClient())
    topic = publisher.topic_path(settings.google_cloud_project, settings.pubsub_topic)
    publisher.publish(topic, data, **attributes).result(timeout=60)


def _rate(events: int, make: Callable[[beam.Pipeline], object]) -> Taken:
    gc.collect()
    null_sink.taken = 0
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=BundleBasedDirectRunner", "--streaming"]))
    make(pipeline)
    result = pipeline.run()
    taken = _rate_of_taking(events)
    result.cancel()
    return taken


def _rate_of_taking(events: int) -> Taken:
    while null_sink.taken == 0:
        time.sleep(0.01)
    began, first = time.perf_counter(), null_sink.taken
    early_mb = 0.0
    while null_sink.taken < events and time.perf_counter() - began < _STALL_SECONDS:
        if not early_mb and null_sink.taken >= events / 4:
            early_mb = _resident_mb()
        time.sleep(0.01)
    rate = (null_sink.taken - first) / (time.perf_counter() - began)
    return Taken(rate, _resident_mb() - (early_mb or _resident_mb()))


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
