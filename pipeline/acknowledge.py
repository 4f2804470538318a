"""A message is acknowledged when every line of it has met its fate: it is stored, or written as a failed event.

Until then Pub/Sub keeps it, so that nothing is lost whatever dies. What is open is known to the process, so this serves
a runner whose steps all run in one. Beam's state would serve others, but the runner that is used here never runs a step
behind Flatten in a stream.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.cloud import pubsub_v1

from shopstream.schemas import CloudSettings, FailedEvent, Stage

from .arrival import Delivered, Row
from .clock import Clock
from .counters import NAMESPACE, Counter
from .open_messages import News, in_requests, open_messages

_REQUEST_SECONDS = 30.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fates:
    """The places where the flow knows what became of lines."""

    decoded: beam.PCollection[tuple[Delivered, int]]
    """Messages with the number of their lines."""
    stored: beam.PCollection[list[Row]]
    failed: Mapping[Stage, beam.PCollection[list[FailedEvent]]]
    """Those that are written, by where they failed."""


def acknowledge(fates: Fates, settings: CloudSettings, now: Clock) -> None:
    """Let the job acknowledge messages of its subscription once they are done."""
    fates.decoded | "TellDecoded" >> beam.ParDo(_Tell(settings, now, _of_message))
    fates.stored | "TellStored" >> beam.ParDo(_Tell(settings, now, _of_rows))
    for stage, failed in fates.failed.items():
        failed | f"TellFailed{stage.title()}" >> beam.ParDo(_Tell(settings, now, _of_failed))


def _of_message(decoded: tuple[Delivered, int]) -> list[News]:
    message, lines = decoded
    return [News(message.delivery.message_id, message.ack_id, lines)]


def _of_rows(rows: Sequence[Row]) -> list[News]:
    return _of_lines((row.line.delivery.message_id, row.line.index) for row in rows)


def _of_failed(failed: Sequence[FailedEvent]) -> list[News]:
    return _of_lines((str(failure.message_id), failure.line_index or 0) for failure in failed)


def _of_lines(lines: Iterable[tuple[str, int]]) -> list[News]:
    settled: defaultdict[str, list[int]] = defaultdict(list)
    for message_id, index in lines:
        settled[message_id].append(index)
    return [News(message_id, settled=indexes) for message_id, indexes in settled.items()]


class _Tell(beam.DoFn):
    def __init__(self, settings: CloudSettings, now: Clock, news_of: Callable[[Any], list[News]]) -> None:
        self._subscription = settings.subscription_path
        self._now, self._news_of = now, news_of
        self._acknowledged = Metrics.counter(NAMESPACE, Counter.MESSAGES_ACKNOWLEDGED)

    def setup(self) -> None:
        """One client a worker thread."""
        self._client = pubsub_v1.SubscriberClient()

    def start_bundle(self) -> None:
        """Nothing waits over from another bundle."""
        self._news: list[News] = []

    def process(self, element: Any) -> None:  # noqa: ANN401 - news_of knows what it is
        """Whatever has news of messages."""
        self._news += self._news_of(element)

    def finish_bundle(self) -> None:
        """Acknowledge what is done; a message for which that fails comes again, and is stored as the same events."""
        done = open_messages(self._subscription).settle(self._news, self._now())
        for some in in_requests(done):
            try:
                self._client.acknowledge(subscription=self._subscription, ack_ids=some, timeout=_REQUEST_SECONDS)
            except (GoogleAPICallError, RetryError) as error:
                what = {"messages": len(some), "error": type(error).__name__}
                logger.warning("messages not acknowledged", extra=what)
            else:
                self._acknowledged.inc(len(some))

    def teardown(self) -> None:
        """Give the connections back."""
        self._client.close()
