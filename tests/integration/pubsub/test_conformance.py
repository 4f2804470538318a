"""What every Pub/Sub does, asked of ours and of pstest through the real client.

A difference between the two is a question to Pub/Sub's documentation; what pstest lacks is in test_embedded.py.
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import AlreadyExists, InvalidArgument, NotFound
from google.pubsub_v1 import PublisherClient as BareClient

from .conftest import PATIENCE_SECONDS, PubSub


class TestTopics:
    def test_what_was_created_is_found_and_listed(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic(labels={"team": "search"})
        assert pubsub.publisher.get_topic(topic=topic).labels == {"team": "search"}
        assert [found.name for found in pubsub.publisher.list_topics(project=f"projects/{pubsub.project}")] == [topic]

    def test_a_list_is_given_in_pages(self, pubsub: PubSub) -> None:
        topics = [pubsub.create_topic() for _ in range(5)]
        request = {"project": f"projects/{pubsub.project}", "page_size": 2}
        pages = list(pubsub.publisher.list_topics(request=request).pages)
        assert [[topic.name for topic in page.topics] for page in pages] == [topics[:2], topics[2:4], topics[4:]]

    def test_an_update_changes_what_its_mask_names(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic(labels={"team": "search"})
        labels = {"team": "shop"}
        request = {"topic": {"name": topic, "labels": labels}, "update_mask": {"paths": ["labels"]}}
        assert pubsub.publisher.update_topic(request=request).labels == labels
        assert pubsub.publisher.get_topic(topic=topic).labels == labels

    def test_a_name_is_taken_once(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        with pytest.raises(AlreadyExists):
            pubsub.publisher.create_topic(name=topic)

    def test_what_was_deleted_is_not_found(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        pubsub.publisher.delete_topic(topic=topic)
        with pytest.raises(NotFound):
            pubsub.publisher.get_topic(topic=topic)
        with pytest.raises(NotFound):
            pubsub.publisher.delete_topic(topic=topic)
        with pytest.raises(NotFound):
            pubsub.publish(topic, b"to nobody")

    def test_its_subscriptions_are_listed(self, pubsub: PubSub) -> None:
        topic, other = pubsub.create_topic(), pubsub.create_topic()
        subscriptions = [pubsub.create_subscription(topic) for _ in range(2)]
        pubsub.create_subscription(other)
        assert sorted(pubsub.publisher.list_topic_subscriptions(topic=topic)) == subscriptions


class TestSubscriptions:
    def test_what_was_created_is_found_and_listed(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic, ack_deadline_seconds=20, labels={"team": "search"})
        found = pubsub.subscriber.get_subscription(subscription=subscription)
        assert (found.topic, found.ack_deadline_seconds, found.labels) == (topic, 20, {"team": "search"})
        listed = pubsub.subscriber.list_subscriptions(project=f"projects/{pubsub.project}")
        assert [each.name for each in listed] == [subscription]

    def test_an_update_changes_what_its_mask_names(self, pubsub: PubSub) -> None:
        subscription = pubsub.create_subscription(pubsub.create_topic(), labels={"team": "search"})
        request = {
            "subscription": {"name": subscription, "ack_deadline_seconds": 30, "labels": {"ignored": "yes"}},
            "update_mask": {"paths": ["ack_deadline_seconds"]},
        }
        pubsub.subscriber.update_subscription(request=request)
        found = pubsub.subscriber.get_subscription(subscription=subscription)
        assert (found.ack_deadline_seconds, found.labels) == (30, {"team": "search"})

    def test_a_name_is_taken_once(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        with pytest.raises(AlreadyExists):
            pubsub.subscriber.create_subscription(
                request={"name": subscription, "topic": topic, "ack_deadline_seconds": 10}
            )

    def test_a_topic_must_be_there(self, pubsub: PubSub) -> None:
        with pytest.raises(NotFound):
            pubsub.create_subscription(pubsub.topic_path())
        with pytest.raises(InvalidArgument):
            pubsub.create_subscription("")

    def test_what_was_deleted_is_not_found(self, pubsub: PubSub) -> None:
        subscription = pubsub.create_subscription(pubsub.create_topic())
        pubsub.subscriber.delete_subscription(subscription=subscription)
        with pytest.raises(NotFound):
            pubsub.subscriber.get_subscription(subscription=subscription)
        with pytest.raises(NotFound):
            pubsub.subscriber.delete_subscription(subscription=subscription)
        with pytest.raises(NotFound):
            pubsub.pull(subscription)
        with pytest.raises(NotFound):
            pubsub.subscriber.acknowledge(subscription=subscription, ack_ids=["1-1"])

    def test_it_outlives_its_topic(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        pubsub.publisher.delete_topic(topic=topic)
        assert pubsub.subscriber.get_subscription(subscription=subscription).topic == "_deleted-topic_"


class TestDelivery:
    def test_data_attributes_key_id_and_time_arrive(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        before = datetime.now(UTC)
        request = {
            "topic": topic,
            "messages": [{"data": bytes(range(256)), "attributes": {"näme": "wért"}, "ordering_key": "u1"}],
        }
        # The call under the batching client: a key of its own needs no client that keeps order.
        response = BareClient.publish(pubsub.publisher, request=request)
        [received] = pubsub.pull_until(subscription, 1)
        message = received.message
        assert (message.data, message.attributes) == (bytes(range(256)), {"näme": "wért"})
        assert (message.ordering_key, [message.message_id]) == ("u1", list(response.message_ids))
        assert abs(message.publish_time - before) < timedelta(seconds=PATIENCE_SECONDS)

    def test_every_subscription_gets_every_message(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscriptions = [pubsub.create_subscription(topic) for _ in range(2)]
        sent = pubsub.publish(topic, *(b"%d" % number for number in range(25)))
        assert len(set(sent)) == 25
        for subscription in subscriptions:
            received = pubsub.pull_until(subscription, 25)
            assert sorted(one.message.message_id for one in received) == sorted(sent)

    def test_a_message_from_before_the_subscription_does_not_come(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        pubsub.publish(topic, b"before")
        subscription = pubsub.create_subscription(topic)
        pubsub.publish(topic, b"after")
        [received] = pubsub.pull_until(subscription, 1)
        assert received.message.data == b"after"

    def test_a_pull_gives_at_most_what_was_asked_for(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        pubsub.publish(topic, b"1", b"2", b"3")
        assert len(pubsub.pull(subscription, most=2)) == 2
        assert len(pubsub.pull(subscription, most=2)) == 1

    def test_what_was_acknowledged_does_not_come_again(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        pubsub.publish(topic, b"1", b"2")
        first, second = pubsub.pull_until(subscription, 2)
        pubsub.acknowledge(subscription, first)
        pubsub.acknowledge(subscription, first)
        pubsub.nack(subscription, second)
        [again] = pubsub.pull_until(subscription, 1)
        assert again.message.message_id == second.message.message_id
        # Or its deadline could pass while a server that waits long answers the empty pull.
        pubsub.acknowledge(subscription, again)
        assert pubsub.pull(subscription) == []

    def test_a_nack_brings_it_again(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        pubsub.publish(topic, b"again")
        [first] = pubsub.pull_until(subscription, 1)
        pubsub.nack(subscription, first)
        [second] = pubsub.pull_until(subscription, 1)
        assert second.message == first.message

    def test_a_deadline_that_passes_brings_it_again(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        pubsub.publish(topic, b"again")
        [first] = pubsub.pull_until(subscription, 1)
        # A subscription's own deadline is 10 seconds or more; that of one lease may be set to 1.
        pubsub.shorten_deadline(subscription, 1, first)
        [second] = pubsub.pull_until(subscription, 1)
        assert second.message == first.message

    def test_a_message_of_9_mb_passes(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        payload = bytes(range(256)) * (9_000_000 // 256)
        pubsub.publish(topic, payload)
        with pubsub.subscriber_of_large_messages() as subscriber:
            response = subscriber.pull(subscription=subscription, max_messages=1, timeout=PATIENCE_SECONDS)
        assert response.received_messages[0].message.data == payload

    def test_a_stream_brings_everything(self, pubsub: PubSub) -> None:
        topic = pubsub.create_topic()
        subscription = pubsub.create_subscription(topic)
        sent = set(pubsub.publish(topic, *(b"%d" % number for number in range(200))))
        seen: set[str] = set()
        complete = threading.Event()

        def take(message: Any) -> None:
            message.ack()
            seen.add(message.message_id)
            if seen >= sent:
                complete.set()

        stream = pubsub.subscriber.subscribe(subscription, callback=take)
        try:
            assert complete.wait(PATIENCE_SECONDS), f"{len(seen)} of {len(sent)}"
        finally:
            stream.cancel()
            stream.result(timeout=PATIENCE_SECONDS)
        assert seen == sent
