"""Pub/Sub as a backend: for each batch one publish request of packed messages, or more where events go alone."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

import grpc
import orjson
from google.api_core import exceptions as google_errors
from google.auth.exceptions import GoogleAuthError
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.types import PublishRequest, PubsubMessage

from shopstream.schemas import CloudSettings, Message, Reason, Rejected, Unavailable, pack
from shopstream.schemas.message import FAILED_EVENT

from ..spool_format import Record

_REJECTED = (google_errors.InvalidArgument,)
"""The request itself is wrong: sending it again gives the same answer."""
_UNAVAILABLE = (google_errors.GoogleAPIError, GoogleAuthError, grpc.RpcError, OSError)
"""All else, a missing topic or right included: somebody will put the world right while the spool waits."""
_MESSAGES_PER_REQUEST = 1000
"""As many as Pub/Sub takes."""
_CHANNEL_OPTIONS = [
    # gRPC's own default is to try a dead server again only after up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
]


class PubSub:
    """Publishes to one topic. Without retries of its own, so that a dead server is seen within the timeout."""

    def __init__(
        self, cloud: CloudSettings, *, endpoint: str, timeout_seconds: float, message_events: int, message_bytes: int
    ) -> None:
        self._topic = f"projects/{cloud.google_cloud_project}/topics/{cloud.pubsub_topic}"
        self._timeout = timeout_seconds
        self._message_events, self._message_bytes = message_events, message_bytes
        try:
            self._client = PublisherClient(transport=PublisherGrpcTransport(channel=_channel(cloud, endpoint)))
        except _UNAVAILABLE as error:
            raise _translated(error) from None

    def send(self, batch: tuple[Record, ...]) -> None:
        """Publish the batch and wait for its acknowledgement."""
        messages = [
            PubsubMessage(data=message.data, attributes=message.attributes)
            for message in messages_of(batch, self._message_events, self._message_bytes)
        ]
        for start in range(0, len(messages), _MESSAGES_PER_REQUEST):
            self._publish(messages[start : start + _MESSAGES_PER_REQUEST])

    def _publish(self, messages: list[PubsubMessage]) -> None:
        request = PublishRequest(topic=self._topic, messages=messages)
        try:
            answer = self._client.publish(request=request, retry=None, timeout=self._timeout)
        except (*_REJECTED, *_UNAVAILABLE) as error:
            raise _translated(error) from None
        if len(answer.message_ids) != len(messages):
            raise Unavailable("Pub/Sub acknowledged a part of the request only")

    def check(self) -> None:
        """See whether the topic is there."""
        try:
            self._client.get_topic(topic=self._topic, retry=None, timeout=self._timeout)
        except (*_REJECTED, *_UNAVAILABLE) as error:
            raise Unavailable(f"{self._topic}: {_translated(error)}") from None

    def close(self) -> None:
        """Close the channel."""
        self._client.transport.close()


def messages_of(records: Iterable[Record], most_events: int, most_bytes: int) -> Iterator[Message]:
    """The records packed by event_type; a message holds at most so many events and, unless it is one, so many bytes.

    Where it is to hold one it is not compressed: whoever reads such messages wants the event itself.
    """
    lines_of: dict[str, list[bytes]] = {}
    for record in records:
        lines_of.setdefault(record.event_type, []).append(record.document)
    for event_type, lines in lines_of.items():
        sent = 0
        while sent < len(lines):
            part = lines[sent : sent + most_events]
            if sum(map(len, part)) + len(part) > most_bytes:
                # As many as fit, and one at least.
                part = part[: max(sum(size <= most_bytes for size in accumulate(len(line) + 1 for line in part)), 1)]
            yield _message(event_type, part, compress=most_events > 1)
            sent += len(part)


def _message(event_type: str, lines: list[bytes], *, compress: bool) -> Message:
    message = pack(event_type, lines, compress=compress)
    if len(lines) > 1 or event_type == FAILED_EVENT:
        return message
    event = orjson.loads(lines[0])
    # The names CloudEvents 1.0 gives an event's attributes in its Pub/Sub binding.
    return Message(
        message.data,
        message.attributes
        | {
            "ce-specversion": "1.0",
            "ce-id": event["event_id"],
            "ce-type": event_type,
            "ce-source": event["source"],
            "ce-time": str(event["occurred_at"]),
        },
    )


def _channel(cloud: CloudSettings, endpoint: str) -> grpc.Channel:
    if cloud.pubsub_emulator_host:
        return grpc.insecure_channel(cloud.pubsub_emulator_host, options=_CHANNEL_OPTIONS)
    return PublisherGrpcTransport.create_channel(f"{endpoint}:443", options=_CHANNEL_OPTIONS)


def _translated(error: Exception) -> Rejected | Unavailable:
    """What the client raised, in our two words; its own text is left out, for it may quote the request."""
    code = getattr(error, "grpc_status_code", None)
    name = code.name if code is not None else type(error).__name__
    if isinstance(error, _REJECTED):
        return Rejected(Reason.BACKEND_REFUSED, f"Pub/Sub refuses the message: {name}")
    return Unavailable(f"Pub/Sub: {name}")
