"""Messages of the subscription for the job that runs here.

Beam's ReadFromPubSub runs on Dataflow and on one local runner, where it acknowledges a message before anything is done
with it. Here a timer that sets itself again hands on what a thread has pulled, and acknowledge.py acknowledges.
"""

import logging
import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import TimerSpec, on_timer
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.timestamp import Timestamp
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.pubsub_v1 import ReceivedMessage

from shopstream.schemas import CloudSettings

from .arrival import Delivered, Delivery
from .clock import Clock
from .open_messages import in_requests, open_messages

MESSAGES_PER_PULL = 100
PULLS_AHEAD = 2
"""So many wait for the job, and no more are pulled: what is not needed yet is safer where it is."""
HOLD_SECONDS = 10
"""So soon what a killed job had pulled comes again."""
_HOLD_EVERY_SECONDS = 3.0
_IDLE_SECONDS = 0.05
_PULL_SECONDS = 30.0
_PAUSE_SECONDS = 0.5

logger = logging.getLogger(__name__)


class PullMessages(beam.PTransform):
    """Messages of the pipeline's subscription, not acknowledged; received_at is their publish time."""

    def __init__(self, settings: CloudSettings, now: Clock) -> None:
        super().__init__()
        self._settings, self._now = settings, now

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Delivered]:
        """Start the timer."""
        return (
            begin
            | beam.Create([(b"", b"")], reshuffle=False)
            | "Pull" >> beam.ParDo(_Pull(self._settings, self._now)).with_output_types(Delivered)
        )


class _Pull(beam.DoFn):
    AGAIN = TimerSpec("again", TimeDomain.REAL_TIME)

    def __init__(self, settings: CloudSettings, now: Clock) -> None:
        self._subscription = settings.subscription_path
        self._now = now

    def setup(self) -> None:
        """A thread that pulls."""
        self._puller = _Puller(self._subscription, self._now)

    @no_annotations
    def process(self, _: tuple[bytes, bytes], again: Any = beam.DoFn.TimerParam(AGAIN)) -> None:  # noqa: ANN401, B008
        """Start."""
        again.set(Timestamp.of(self._now()))

    @on_timer(AGAIN)
    @no_annotations
    def pull(self, again: Any = beam.DoFn.TimerParam(AGAIN)) -> Iterator[Delivered]:  # noqa: ANN401, B008
        """Hand on, and again."""
        for received in self._puller.take():
            message = received.message
            published = datetime.fromtimestamp(message.publish_time.timestamp(), UTC)
            delivery = Delivery(message.message_id, dict(message.attributes), published)
            yield Delivered(message.data, delivery, received.ack_id)
        again.set(Timestamp.of(self._now()))

    def teardown(self) -> None:
        """What was pulled and not handed on comes again."""
        self._puller.stop()


class _Puller:
    """Pulls in a thread of its own, a little ahead; another keeps the time to acknowledge from running out."""

    def __init__(self, subscription: str, now: Clock) -> None:
        self._subscription, self._now = subscription, now
        self._open = open_messages(subscription)
        self._client = pubsub_v1.SubscriberClient()
        self._pulled: queue.Queue[list[ReceivedMessage] | Exception] = queue.Queue(PULLS_AHEAD)
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="pull", daemon=True).start()
        threading.Thread(target=self._hold, name="hold", daemon=True).start()

    def take(self) -> list[ReceivedMessage]:
        """What is there, or comes in a moment.

        Raises:
            GoogleAPICallError: Pub/Sub will not give messages, now or later.
        """
        try:
            pulled = self._pulled.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            return []
        if isinstance(pulled, Exception):
            raise pulled
        return pulled

    def stop(self) -> None:
        """Pull no more."""
        self._stopped.set()
        self._client.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                answer = self._client.pull(
                    subscription=self._subscription, max_messages=MESSAGES_PER_PULL, timeout=_PULL_SECONDS, retry=None
                )
            except exceptions.DeadlineExceeded:
                continue
            except (exceptions.ServerError, exceptions.TooManyRequests, exceptions.RetryError):
                self._stopped.wait(_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - take() raises it in the job's thread
                self._pulled.put(error)
                return
            else:
                if answer.received_messages:
                    self._open.hold([received.ack_id for received in answer.received_messages], self._now())
                    self._pulled.put(list(answer.received_messages))

    def _hold(self) -> None:
        while not self._stopped.wait(_HOLD_EVERY_SECONDS):
            for some in in_requests(self._open.held(self._now())):
                try:
                    self._client.modify_ack_deadline(
                        subscription=self._subscription,
                        ack_ids=some,
                        ack_deadline_seconds=HOLD_SECONDS,
                        timeout=HOLD_SECONDS,
                        retry=None,
                    )
                except (exceptions.GoogleAPICallError, exceptions.RetryError, ValueError) as error:
                    # ValueError: the client was closed meanwhile.
                    logger.warning("messages not held", extra={"messages": len(some), "error": type(error).__name__})
