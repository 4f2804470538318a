"""Pub/Sub as a backend, where events go alone."""

import json

from google.cloud import pubsub_v1

from deploy.local.stack import LocalStack
from deploy.local.topics import create_topics
from shopstream.capture.backends.pubsub import PubSub
from shopstream.capture.spool_format import Record
from shopstream.schemas import CloudSettings, read_settings

MORE_THAN_A_REQUEST_TAKES = 1_001


def test_a_batch_of_more_messages_than_a_request_takes_arrives_whole(stack: LocalStack) -> None:
    names = {"PUBSUB_TOPIC": "events-alone", "PUBSUB_SUBSCRIPTION": "events-alone"}
    settings = read_settings(CloudSettings, {**stack.environment, **names})
    create_topics(settings)
    documents = [
        json.dumps({"event_id": f"e-{number}", "source": "shop", "occurred_at": "2026-11-20T12:00:00Z"}).encode()
        for number in range(MORE_THAN_A_REQUEST_TAKES)
    ]
    backend = PubSub(settings, endpoint="", timeout_seconds=10, message_events=1, message_bytes=1 << 20)
    backend.send(tuple(Record("search", document) for document in documents))
    backend.close()
    found: set[bytes] = set()
    with pubsub_v1.SubscriberClient() as subscriber:
        while len(found) < len(documents):
            answer = subscriber.pull(subscription=settings.subscription_path, max_messages=1000, timeout=10)
            assert answer.received_messages, f"{len(found)} of {len(documents)} messages"
            found |= {received.message.data for received in answer.received_messages}
    assert found == set(documents)
