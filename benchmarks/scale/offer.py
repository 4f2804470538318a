"""Messages as capture packs them, published when they are due."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import cycle

import orjson
from google.cloud import pubsub_v1

from benchmarks.pipeline.events import lines
from shopstream.capture.backends.pubsub import messages_of
from shopstream.capture.spool_format import Record
from shopstream.schemas import CloudSettings, Message

from .job import DUE
from .shape import Tick

EVENTS_A_MESSAGE = 500
BYTES_A_MESSAGE = 2**20
POOL = 40_000
"""So many different events are offered, again and again: nothing here looks whether an event came before."""
_PUBLISH_SECONDS = 60.0
_ONE = {"user_id": "u-00000", "session_id": "s-00000"}


class Pool:
    """Events to offer, packed tick by tick."""

    def __init__(self, *, one_user: bool = False, events: int = POOL) -> None:
        documents = [_of_one_user(line) for line in lines(events)] if one_user else list(lines(events))
        self._records = [Record(_type_of(document), document) for document in documents]

    def packed(self, plan: Sequence[Tick]) -> list[list[Message]]:
        """The messages of each tick; packed beforehand, so that packing takes nothing from the job."""
        records = cycle(self._records)
        return [list(_messages(records, tick.events)) for tick in plan]


def _messages(records: Iterator[Record], events: int) -> Iterator[Message]:
    return messages_of([next(records) for _ in range(events)], EVENTS_A_MESSAGE, BYTES_A_MESSAGE)


def _type_of(document: bytes) -> str:
    return str(orjson.loads(document)["event_type"])


def _of_one_user(document: bytes) -> bytes:
    return orjson.dumps({**orjson.loads(document), **_ONE})


class Publisher:
    """Publishes ticks at their time, whatever became of those before."""

    def __init__(self, settings: CloudSettings) -> None:
        self._client = pubsub_v1.PublisherClient()
        self._topic = self._client.topic_path(settings.google_cloud_project, settings.pubsub_topic)

    def offer(self, plan: Sequence[Tick], packed: Sequence[Sequence[Message]], began: float) -> float:
        """Publish every tick from `began` on, in seconds since 1970; by how many seconds the latest was late itself.

        Raises:
            GoogleAPICallError: Pub/Sub did not take a message.
        """
        sent: list[Future[str]] = []
        latest = 0.0
        for tick, messages in zip(plan, packed, strict=True):
            due = began + tick.due
            time.sleep(max(due - time.time(), 0.0))
            when = {DUE: f"{due:.6f}"}
            sent += [self._client.publish(self._topic, each.data, **each.attributes, **when) for each in messages]
            latest = max(latest, time.time() - due)
        for future in sent:
            future.result(timeout=_PUBLISH_SECONDS)
        return latest

    def close(self) -> None:
        """Give the connections back."""
        self._client.transport.close()
