"""What our Pub/Sub does and pstest does not: dead letters, order, flow control, limits, faults on demand."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.api_core.exceptions import (
    DeadlineExceeded,
    GoogleAPICallError,
    InvalidArgument,
    MethodNotImplemented,
    NotFound,
    ResourceExhausted,
    ServiceUnavailable,
)
from google.pubsub_v1 import PublisherClient as BarePublisher
from google.pubsub_v1 import SubscriberClient as BareSubscriber

from .conftest import PATIENCE_SECONDS, PubSub

Stream = tuple[Iterator[Any], Callable[..., None]]


def publish_bare(pubsub: PubSub, topic: str, *messages: dict[str, Any]) -> list[str]:
    """One request, without the batching client in between."""
    response = BarePublisher.publish(
        pubsub.publisher,
        request={"topic": topic, "messages": list(messages)},
        retry=None,
        timeout=PATIENCE_SECONDS,
    )
    return list(response.message_ids)


def label(pubsub: PubSub, topic: str, **labels: str) -> None:
    labels = {key.replace("_", "-"): value for key, value in labels.items()}
    request = {"topic": {"name": topic, "labels": labels}, "update_mask": {"paths": ["labels"]}}
    pubsub.publisher.update_topic(request=request)


@contextmanager
def streaming(pubsub: PubSub, subscription: str, **settings: Any) -> Iterator[Stream]:
    """A bare StreamingPull: its responses, and a function that sends one more request."""
    requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    requests.put({"subscription": subscription, "stream_ack_deadline_seconds": 10, **settings})
    responses = BareSubscriber.streaming_pull(
        pubsub.subscriber, requests=iter(requests.get, None), timeout=PATIENCE_SECONDS
    )
    try:
        yield responses, lambda **request: requests.put(request)
    finally:
        requests.put(None)


def take(responses: Iterator[Any], number: int) -> list[Any]:
    """What a stream brings, until so many have come."""
    received: list[Any] = []
    while len(received) < number:
        received += next(responses).received_messages
    return received


class TestDeadLetters:
    @pytest.fixture
    def dead_letters(self, embedded: PubSub) -> tuple[str, str, str]:
        """A topic, its subscription with a dead-letter policy, and the subscription the dead letters come to."""
        topic, dead_topic = embedded.create_topic(), embedded.create_topic()
        policy = {"dead_letter_topic": dead_topic, "max_delivery_attempts": 5}
        subscription = embedded.create_subscription(topic, dead_letter_policy=policy)
        return topic, subscription, embedded.create_subscription(dead_topic)

    def test_after_its_attempts_a_message_goes_to_the_dead_letter_topic(
        self, embedded: PubSub, dead_letters: tuple[str, str, str]
    ) -> None:
        topic, subscription, dead = dead_letters
        embedded.publish(topic, b"poison", event_type="search")
        received = embedded.pull_until(subscription, 5, each=lambda one: embedded.nack(subscription, one))
        assert [one.delivery_attempt for one in received] == [1, 2, 3, 4, 5]
        [letter] = embedded.pull_until(dead, 1)
        attributes = dict(letter.message.attributes)
        published_at = attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
        assert published_at == received[0].message.publish_time.isoformat(timespec="milliseconds")
        assert attributes == {
            "event_type": "search",
            "CloudPubSubDeadLetterSourceDeliveryCount": "5",
            "CloudPubSubDeadLetterSourceSubscription": subscription.split("/")[-1],
            "CloudPubSubDeadLetterSourceSubscriptionProject": embedded.project,
        }
        assert letter.message.data == b"poison"
        assert letter.delivery_attempt == 0
        assert embedded.pull(subscription) == []

    def test_a_deadline_that_passes_wakes_a_stream_on_the_dead_letters(
        self, embedded: PubSub, dead_letters: tuple[str, str, str]
    ) -> None:
        topic, subscription, dead = dead_letters
        embedded.publish(topic, b"poison")
        embedded.pull_until(subscription, 4, each=lambda one: embedded.nack(subscription, one))
        with streaming(embedded, dead) as (responses, _):
            # Nobody asks for the subscription again, so only the server's own timer can forward the message.
            [last] = embedded.pull_until(subscription, 1)
            embedded.shorten_deadline(subscription, 1, last)
            [letter] = take(responses, 1)
        assert letter.message.data == b"poison"

    def test_a_dead_letter_topic_must_be_there(self, embedded: PubSub) -> None:
        policy = {"dead_letter_topic": embedded.topic_path(), "max_delivery_attempts": 5}
        with pytest.raises(NotFound):
            embedded.create_subscription(embedded.create_topic(), dead_letter_policy=policy)


class TestStreams:
    def test_5000_messages_come_through_the_high_level_client(self, embedded: PubSub) -> None:
        topic = embedded.create_topic()
        subscription = embedded.create_subscription(topic)
        seen: list[bytes] = []
        complete = threading.Event()

        def take_one(message: Any) -> None:
            seen.append(message.data)
            message.ack()
            if len(seen) == 5000:
                complete.set()

        stream = embedded.subscriber.subscribe(subscription, callback=take_one)
        try:
            sent = [b"%d" % number for number in range(5000)]
            embedded.publish(topic, *sent)
            assert complete.wait(PATIENCE_SECONDS), f"{len(seen)} of 5000"
        finally:
            stream.cancel()
            stream.result(timeout=PATIENCE_SECONDS)
        # A set: a stalled machine may let a deadline pass, and then a message rightly comes twice.
        assert set(seen) == set(sent)

    def test_a_stream_holds_no_more_messages_than_it_asked_for(self, embedded: PubSub) -> None:
        topic = embedded.create_topic()
        subscription = embedded.create_subscription(topic)
        publish_bare(embedded, topic, *({"data": b"%d" % number} for number in range(20)))
        with streaming(embedded, subscription, max_outstanding_messages=5) as (responses, send):
            held = take(responses, 5)
            assert len(held) == 5
            send(ack_ids=[one.ack_id for one in held[:2]])
            assert len(take(responses, 2)) == 2
            send(modify_deadline_ack_ids=[held[2].ack_id], modify_deadline_seconds=[0])
            assert len(take(responses, 1)) == 1

    def test_a_stream_holds_no_more_bytes_than_it_asked_for(self, embedded: PubSub) -> None:
        topic = embedded.create_topic()
        subscription = embedded.create_subscription(topic)
        publish_bare(embedded, topic, *({"data": bytes(1000)} for _ in range(20)))
        with streaming(embedded, subscription, max_outstanding_bytes=3500) as (responses, send):
            # The fourth is sent while 3,000 are out; the window is closed from 4,000 on.
            held = take(responses, 4)
            assert len(held) == 4
            embedded.acknowledge(subscription, held[0])
            assert len(take(responses, 1)) == 1
            send()

    def test_responses_fit_into_the_clients_channel(self, embedded: PubSub) -> None:
        topic = embedded.create_topic()
        subscription = embedded.create_subscription(topic)
        for _ in range(2):
            publish_bare(embedded, topic, *({"data": bytes(900_000)} for _ in range(10)))
        assert len(embedded.pull_until(subscription, 20)) == 20

    def test_one_key_goes_out_one_by_one_in_order(self, embedded: PubSub) -> None:
        topic = embedded.create_topic()
        subscription = embedded.create_subscription(topic, enable_message_ordering=True)
        publish_bare(embedded, topic, *({"data": b"%d" % n, "ordering_key": f"u{n % 2}"} for n in range(6)))
        order: list[bytes] = []
        nacked: set[bytes] = set()

        def each(one: Any) -> None:
            if one.message.data in nacked:
                order.append(one.message.data)
                embedded.acknowledge(subscription, one)
            else:
                nacked.add(one.message.data)
                embedded.nack(subscription, one)

        embedded.pull_until(subscription, 12, each)
        assert [data for data in order if int(data) % 2 == 0] == [b"0", b"2", b"4"]
        assert [data for data in order if int(data) % 2 == 1] == [b"1", b"3", b"5"]

    def test_a_deleted_subscription_ends_its_streams(self, embedded: PubSub) -> None:
        subscription = embedded.create_subscription(embedded.create_topic())
        with streaming(embedded, subscription) as (responses, _):
            embedded.subscriber.delete_subscription(subscription=subscription)
            with pytest.raises(NotFound):
                next(responses)

    @pytest.mark.parametrize(
        "request_",
        [
            {"max_outstanding_messages": 7},
            {"ack_ids": ["not-one-of-ours"]},
            {"modify_deadline_ack_ids": ["1-1"], "modify_deadline_seconds": []},
            {"modify_deadline_ack_ids": ["1-1"], "modify_deadline_seconds": [-1]},
            {"stream_ack_deadline_seconds": 9},
        ],
        ids=str,
    )
    def test_an_invalid_request_ends_the_stream(self, embedded: PubSub, request_: dict[str, Any]) -> None:
        subscription = embedded.create_subscription(embedded.create_topic())
        with streaming(embedded, subscription) as (responses, send):
            send(**request_)
            with pytest.raises(InvalidArgument):
                next(responses)


class TestLimits:
    @pytest.mark.parametrize(
        "name", ["topic", "projects/p/topics/1digit", "projects/p/topics/goog-x", "projects//topics/abc"]
    )
    def test_a_bad_name_is_refused_and_the_field_named(self, embedded: PubSub, name: str) -> None:
        with pytest.raises(InvalidArgument, match=r"name: .* is not of the form projects/\{project\}/topics/\{id\}"):
            embedded.publisher.create_topic(name=name)

    @pytest.mark.parametrize(
        ("messages", "field"),
        [
            ([], "messages: 0 is not between"),
            ([{"data": b"x"}] * 1001, "messages: 1,001 is not between"),
            ([{"data": bytes(5_000_001)}] * 2, "messages: the request has 10,"),
            ([{"data": b"x"}, {"ordering_key": "k"}], r"messages\[1\]: has neither"),
            ([{"data": b"x", "attributes": {"google": "x"}}], r"messages\[0\].attributes: key 'google'"),
            ([{"data": b"x", "attributes": {"k": "v" * 1025}}], r"messages\[0\].attributes: the value"),
            ([{"data": b"x", "attributes": dict.fromkeys(map(str, range(101)), "")}], "100 attributes"),
            ([{"data": b"x", "ordering_key": "k" * 1025}], r"messages\[0\].ordering_key"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_publish_beyond_a_limit_is_refused(
        self, embedded: PubSub, messages: list[dict[str, Any]], field: str
    ) -> None:
        topic = embedded.create_topic()
        with pytest.raises(InvalidArgument, match=field):
            publish_bare(embedded, topic, *messages)

    @pytest.mark.parametrize(
        ("settings", "field"),
        [
            ({"ack_deadline_seconds": 9}, "ack_deadline_seconds"),
            ({"ack_deadline_seconds": 601}, "ack_deadline_seconds"),
            ({"labels": {"Team": "search"}}, "labels.Team"),
            ({"retry_policy": {"minimum_backoff": {"seconds": 601}}}, "retry_policy"),
            ({"message_retention_duration": {"seconds": 599}}, "message_retention_duration"),
            ({"expiration_policy": {"ttl": {"seconds": 60}}}, "expiration_policy.ttl"),
        ],
        ids=str,
    )
    def test_a_setting_beyond_its_limit_is_refused(
        self, embedded: PubSub, settings: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=field):
            embedded.create_subscription(embedded.create_topic(), **settings)

    @pytest.mark.parametrize(
        "settings",
        [
            {"filter": 'attributes.a = "b"'},
            {"bigquery_config": {"table": "p.d.t", "use_table_schema": True}},  # Started without --bigquery.
            {"enable_exactly_once_delivery": True},
            {"push_config": {"push_endpoint": "http://127.0.0.1:1"}},
        ],
        ids=str,
    )
    def test_a_setting_we_lack_is_refused_rather_than_ignored(self, embedded: PubSub, settings: dict[str, Any]) -> None:
        with pytest.raises(MethodNotImplemented, match=next(iter(settings))):
            embedded.create_subscription(embedded.create_topic(), **settings)

    def test_a_method_we_lack_is_unimplemented(self, embedded: PubSub) -> None:
        subscription = embedded.create_subscription(embedded.create_topic())
        with pytest.raises(MethodNotImplemented):
            embedded.subscriber.seek(request={"subscription": subscription, "time": {"seconds": 1}})

    @pytest.mark.parametrize("path", ["topic", "enable_message_ordering", "no_such_field"])
    def test_what_never_changes_is_refused_in_an_update(self, embedded: PubSub, path: str) -> None:
        subscription = embedded.create_subscription(embedded.create_topic())
        request = {"subscription": {"name": subscription}, "update_mask": {"paths": [path]}}
        with pytest.raises(InvalidArgument, match=path):
            embedded.subscriber.update_subscription(request=request)

    def test_every_setting_comes_back_as_it_was_given(self, embedded: PubSub) -> None:
        topic = embedded.create_topic(message_retention_duration={"seconds": 600})
        settings = {
            "ack_deadline_seconds": 600,
            "dead_letter_policy": {"dead_letter_topic": topic, "max_delivery_attempts": 100},
            "enable_message_ordering": True,
            "expiration_policy": {"ttl": {"seconds": 86_400}},
            "labels": {"team": "search"},
            "message_retention_duration": {"seconds": 1200},
            "retain_acked_messages": True,
            "retry_policy": {"minimum_backoff": {"nanos": 500_000_000}, "maximum_backoff": {"seconds": 5}},
        }
        name = embedded.create_subscription(topic, **settings)
        found = type(embedded.subscriber.get_subscription(subscription=name)).to_dict(
            embedded.subscriber.get_subscription(subscription=name), use_integers_for_enums=False
        )
        assert {key: found[key] for key in settings} == {
            **settings,
            "expiration_policy": {"ttl": "86400s"},
            "message_retention_duration": "1200s",
            "retry_policy": {"minimum_backoff": "0.500s", "maximum_backoff": "5s"},
        }


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("unavailable", ServiceUnavailable),
            ("deadline-exceeded", DeadlineExceeded),
            ("resource-exhausted", ResourceExhausted),
            ("answer-lost", ServiceUnavailable),
        ],
    )
    def test_a_publish_ends_as_asked_until_the_label_goes(
        self, embedded: PubSub, fault: str, error: type[GoogleAPICallError]
    ) -> None:
        topic = embedded.create_topic(labels={"fault-publish": fault})
        subscription = embedded.create_subscription(topic)
        for payload in (b"1", b"2"):
            with pytest.raises(error, match="fault-publish of"):
                publish_bare(embedded, topic, {"data": payload})
        label(embedded, topic)
        publish_bare(embedded, topic, {"data": b"3"})
        stored = [b"1", b"2", b"3"] if fault == "answer-lost" else [b"3"]
        received = embedded.pull_until(subscription, len(stored))
        assert [one.message.data for one in received] == stored

    def test_a_fault_heals_after_its_times_and_the_client_gets_through(self, embedded: PubSub) -> None:
        topic = embedded.create_topic()
        subscription = embedded.create_subscription(topic)
        label(embedded, topic, fault_publish="unavailable", fault_times="2")
        assert embedded.publish(topic, b"patience")
        label(embedded, topic, fault_publish="answer-lost", fault_times="1")
        assert embedded.publish(topic, b"twice")
        received = embedded.pull_until(subscription, 3)
        assert sorted(one.message.data for one in received) == [b"patience", b"twice", b"twice"]

    def test_a_publish_that_hangs_ends_by_the_callers_deadline(self, embedded: PubSub) -> None:
        topic = embedded.create_topic(labels={"fault-publish": "hang", "fault-times": "1"})
        subscription = embedded.create_subscription(topic)
        with pytest.raises(DeadlineExceeded):
            embedded.publisher.publish(topic, b"lost", retry=None, timeout=0.2).result(timeout=PATIENCE_SECONDS)
        embedded.publish(topic, b"arrives")
        assert [one.message.data for one in embedded.pull_until(subscription, 1)] == [b"arrives"]

    def test_a_publish_is_answered_later(self, embedded: PubSub) -> None:
        topic = embedded.create_topic(labels={"fault-publish-delay-ms": "200"})
        begin = time.monotonic()
        publish_bare(embedded, topic, {"data": b"late"})
        assert time.monotonic() - begin >= 0.2

    def test_every_nth_message_comes_twice(self, embedded: PubSub) -> None:
        topic = embedded.create_topic()
        subscription = embedded.create_subscription(topic, labels={"fault-duplicate-every": "50"})
        sent = publish_bare(embedded, topic, *({"data": b"%d" % number} for number in range(200)))
        received = embedded.pull_until(subscription, 204, lambda one: embedded.acknowledge(subscription, one))
        ids = [one.message.message_id for one in received]
        assert sorted(ids) == sorted(sent + sent[49::50])
        assert len({one.ack_id for one in received}) == 204
        assert embedded.pull(subscription) == []

    @pytest.mark.parametrize(
        "labels",
        [{"fault-publish": "unavailabel"}, {"fault-pubish": "hang"}, {"fault-times": "0"}, {"fault-times": "x"}],
        ids=str,
    )
    def test_a_misspelled_fault_is_refused(self, embedded: PubSub, labels: dict[str, str]) -> None:
        with pytest.raises(InvalidArgument, match=r"labels\.fault-"):
            embedded.create_topic(labels=labels)
        with pytest.raises(InvalidArgument, match=r"labels\.fault-"):
            embedded.create_subscription(embedded.create_topic(), labels={"fault-duplicate-every": "0"})
