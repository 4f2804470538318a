"""Beam's own Pub/Sub source against our Pub/Sub."""

import threading

import apache_beam as beam
from apache_beam.io import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions

from .conftest import PATIENCE_SECONDS, PubSub

NUMBER = 200
_SEEN: set[bytes] = set()
_COMPLETE = threading.Event()


def note(payload: bytes) -> None:
    """Module-level, because the runner copies what a closure holds."""
    _SEEN.add(payload)
    if len(_SEEN) == NUMBER:
        _COMPLETE.set()


def test_the_direct_runner_reads_every_message(embedded: PubSub) -> None:
    topic = embedded.create_topic()
    subscription = embedded.create_subscription(topic)
    sent = [b"%d" % number for number in range(NUMBER)]
    embedded.publish(topic, *sent)
    options = PipelineOptions(["--streaming", "--runner=BundleBasedDirectRunner"])
    pipeline = beam.Pipeline(options=options)
    pipeline | ReadFromPubSub(subscription=subscription) | beam.Map(note)
    running = pipeline.run()
    try:
        assert _COMPLETE.wait(PATIENCE_SECONDS), f"{len(_SEEN)} of {NUMBER}"
    finally:
        running.cancel()
    assert set(sent) == _SEEN
    assert embedded.pull(subscription) == []
