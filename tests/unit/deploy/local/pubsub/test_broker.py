"""The broker without a network and on a clock of the test's own."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deploy.local.pubsub.backlog import Backlog, Content, Delivery, DeliveryPolicy, Message, RetryPolicy, Window
from deploy.local.pubsub.broker import (
    DELETED_TOPIC,
    Broker,
    DeadLetterPolicy,
    SubscriptionSettings,
    TopicSettings,
)
from deploy.local.pubsub.refusal import Refusal, Status

TOPIC, DEAD_TOPIC = "projects/shop/topics/events", "projects/shop/topics/dead"
SUBSCRIPTION, DEAD = "projects/shop/subscriptions/events", "projects/shop/subscriptions/dead"
ATTEMPTS = 5
DEADLINE = 10.0


def broker_with(**changes: object) -> Broker:
    """A topic with one subscription, and a dead-letter topic with another."""
    broker = Broker()
    for topic in (TOPIC, DEAD_TOPIC):
        broker.create_topic(topic, TopicSettings())
    broker.create_subscription(DEAD, SubscriptionSettings(DEAD_TOPIC))
    broker.create_subscription(SUBSCRIPTION, replace(SubscriptionSettings(TOPIC), **changes))  # type: ignore[arg-type]
    return broker


def publish(broker: Broker, *payloads: bytes, key: str = "", now: float = 0.0) -> list[str]:
    return broker.publish(TOPIC, [Content(payload, {}, key) for payload in payloads], now)


def pull(broker: Broker, now: float, name: str = SUBSCRIPTION, most: int = 1000) -> list[Delivery]:
    return broker.pull(name, now, max_messages=most, max_bytes=1_000_000)


def payloads(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.message.content.data for delivery in deliveries]


def refused(status: Status, call: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refusal:
        call()
    assert refusal.value.status is status
    return str(refusal.value)


class TestTopics:
    def test_a_name_is_taken_once(self) -> None:
        broker = broker_with()
        detail = refused(Status.ALREADY_EXISTS, lambda: broker.create_topic(TOPIC, TopicSettings()))
        assert TOPIC in detail

    def test_one_that_is_missing_is_named(self) -> None:
        broker = Broker()
        for call in (
            lambda: broker.topic(TOPIC),
            lambda: broker.update_topic(TOPIC, TopicSettings()),
            lambda: broker.delete_topic(TOPIC),
            lambda: broker.subscriptions_of(TOPIC),
            lambda: publish(broker, b"x"),
            lambda: broker.create_subscription(SUBSCRIPTION, SubscriptionSettings(TOPIC)),
        ):
            assert TOPIC in refused(Status.NOT_FOUND, call)

    def test_a_project_sees_its_own(self) -> None:
        broker = broker_with()
        broker.create_topic("projects/shop-2/topics/events", TopicSettings())
        assert [topic.name for topic in broker.topics("projects/shop")] == [DEAD_TOPIC, TOPIC]

    def test_after_its_end_a_subscription_delivers_what_it_holds(self) -> None:
        broker = broker_with()
        publish(broker, b"held")
        broker.delete_topic(TOPIC)
        assert broker.subscription(SUBSCRIPTION).topic == DELETED_TOPIC
        assert payloads(pull(broker, 1)) == [b"held"]
        broker.create_topic(TOPIC, TopicSettings())
        publish(broker, b"to a topic of the same name")
        assert pull(broker, 2) == []

    def test_an_update_with_an_unknown_fault_changes_nothing(self) -> None:
        broker = broker_with()
        sick = TopicSettings({"fault-publish": "hang"})
        broker.update_topic(TOPIC, sick)
        refused(
            Status.INVALID_ARGUMENT,
            lambda: broker.update_topic(TOPIC, TopicSettings({"fault-publish": "unavailabel"})),
        )
        assert broker.topic(TOPIC).settings is sick


class TestDelivery:
    def test_ids_come_from_a_counter(self) -> None:
        assert publish(broker_with(), b"1", b"2") == publish(broker_with(), b"1", b"2") == ["1", "2"]

    def test_a_lease_ends_at_its_deadline_and_not_before(self) -> None:
        broker = broker_with()
        publish(broker, b"x")
        pull(broker, 0)
        assert pull(broker, DEADLINE - 0.001) == []
        assert payloads(pull(broker, DEADLINE)) == [b"x"]

    def test_an_acknowledgement_at_the_deadline_is_too_late(self) -> None:
        broker = broker_with()
        publish(broker, b"x", b"y")
        late, early = pull(broker, 0)
        broker.acknowledge(SUBSCRIPTION, DEADLINE - 0.001, [early.ack_id])
        broker.acknowledge(SUBSCRIPTION, DEADLINE, [late.ack_id])
        assert payloads(pull(broker, DEADLINE)) == [b"x"]

    def test_a_longer_deadline_holds_and_a_shorter_one_ends(self) -> None:
        broker = broker_with()
        publish(broker, b"longer", b"shorter")
        longer, shorter = pull(broker, 0)
        broker.modify_ack_deadline(SUBSCRIPTION, 5, [longer.ack_id], 60)
        broker.modify_ack_deadline(SUBSCRIPTION, 5, [shorter.ack_id], 1)
        assert broker.next_change() == 6
        assert payloads(pull(broker, 6)) == [b"shorter"]
        assert b"longer" not in payloads(pull(broker, 64.9))
        assert b"longer" in payloads(pull(broker, 65))

    def test_a_stream_may_ask_for_its_own_deadline(self) -> None:
        broker = broker_with()
        publish(broker, b"x")
        broker.pull(SUBSCRIPTION, 0, max_messages=1, max_bytes=10, deadline_seconds=60)
        assert pull(broker, 59) == []
        assert payloads(pull(broker, 60)) == [b"x"]

    def test_a_message_beyond_the_bytes_goes_alone(self) -> None:
        broker = broker_with()
        publish(broker, b"small", b"large" * 10, b"small")
        sizes = []
        while deliveries := broker.pull(SUBSCRIPTION, 0, max_messages=9, max_bytes=20):
            sizes.append([len(payload) for payload in payloads(deliveries)])
        assert sizes == [[5], [50], [5]]

    def test_attempts_are_counted(self) -> None:
        broker = broker_with()
        publish(broker, b"x")
        attempts = []
        for now in range(3):
            [delivery] = pull(broker, now)
            attempts.append(delivery.attempt)
            broker.modify_ack_deadline(SUBSCRIPTION, now, [delivery.ack_id], 0)
        assert attempts == [1, 2, 3]

    def test_news_is_a_message_in_an_open_window_or_a_subscription_gone(self) -> None:
        broker = broker_with()
        assert not broker.has_news(SUBSCRIPTION, Window())
        publish(broker, b"x")
        assert broker.has_news(SUBSCRIPTION, Window())
        assert not broker.has_news(SUBSCRIPTION, Window(max_messages=1, messages=1))
        assert not broker.has_news(SUBSCRIPTION, Window(max_bytes=9, bytes=9))
        broker.delete_subscription(SUBSCRIPTION)
        assert broker.has_news(SUBSCRIPTION, Window())

    def test_a_window_opens_again_by_ack_nack_and_deadline(self) -> None:
        broker, window = broker_with(), Window(max_messages=3)
        publish(broker, *(b"%d" % number for number in range(9)))

        def stream(now: float) -> list[Delivery]:
            return broker.pull(SUBSCRIPTION, now, max_messages=9, max_bytes=99, window=window)

        acked, nacked, _ = stream(0)
        assert stream(0) == []
        broker.acknowledge(SUBSCRIPTION, 1, [acked.ack_id])
        assert len(stream(1)) == 1
        broker.modify_ack_deadline(SUBSCRIPTION, 1, [nacked.ack_id], 0)
        assert len(stream(1)) == 1
        assert len(stream(DEADLINE)) == 1
        assert (window.messages, window.bytes) == (3, 3)


class TestRetry:
    def test_the_rest_doubles_from_minimum_to_maximum(self) -> None:
        retry = RetryPolicy(10, 600)
        assert [retry.rest(attempt) for attempt in (1, 2, 3, 7, 8, 10_000)] == [10, 20, 40, 600, 600, 600]

    def test_a_nacked_message_rests(self) -> None:
        broker = broker_with(retry=RetryPolicy(10, 600))
        publish(broker, b"x")
        [delivery] = pull(broker, 0)
        broker.modify_ack_deadline(SUBSCRIPTION, 1, [delivery.ack_id], 0)
        assert pull(broker, 10.9) == []
        assert broker.next_change() == 11
        assert payloads(pull(broker, 11)) == [b"x"]

    def test_the_next_of_a_key_waits_for_the_one_that_rests(self) -> None:
        broker = broker_with(ordered=True, retry=RetryPolicy(10, 600))
        publish(broker, b"1", b"2", key="u1")
        [delivery] = pull(broker, 0)
        broker.modify_ack_deadline(SUBSCRIPTION, 0, [delivery.ack_id], 0)
        assert pull(broker, 9) == []
        assert payloads(pull(broker, 10)) == [b"1"]


class TestOrder:
    def test_without_the_setting_a_key_means_nothing(self) -> None:
        broker = broker_with()
        publish(broker, b"1", b"2", key="u1")
        assert payloads(pull(broker, 0)) == [b"1", b"2"]

    def test_one_of_each_key_is_out_at_a_time(self) -> None:
        broker = broker_with(ordered=True)
        publish(broker, b"a1", b"a2", key="a")
        publish(broker, b"b1", key="b")
        publish(broker, b"1", b"2")
        first = pull(broker, 0)
        assert payloads(first) == [b"a1", b"b1", b"1", b"2"]
        broker.acknowledge(SUBSCRIPTION, 1, [first[0].ack_id])
        assert payloads(pull(broker, 1)) == [b"a2"]

    def test_a_dead_letter_makes_way_for_the_next(self) -> None:
        broker = broker_with(ordered=True, dead_letter=DeadLetterPolicy(DEAD_TOPIC, ATTEMPTS))
        publish(broker, b"1", b"2", key="u1")
        for now in range(ATTEMPTS):
            [delivery] = pull(broker, now)
            broker.modify_ack_deadline(SUBSCRIPTION, now, [delivery.ack_id], 0)
        assert payloads(pull(broker, ATTEMPTS)) == [b"2"]


class TestDeadLetters:
    def test_it_says_where_it_comes_from(self) -> None:
        broker = broker_with(dead_letter=DeadLetterPolicy(DEAD_TOPIC, ATTEMPTS))
        published_at = datetime(2026, 11, 20, 12, 30, 15, 250_999, UTC).timestamp()
        broker.publish(TOPIC, [Content(b"poison", {"event_type": "search"}, "u1")], published_at)
        for attempt in range(ATTEMPTS):
            assert payloads(pull(broker, published_at + DEADLINE * attempt)) == [b"poison"]
        assert pull(broker, published_at + DEADLINE * ATTEMPTS - 1, DEAD) == []
        broker.advance(published_at + DEADLINE * ATTEMPTS)
        [letter] = pull(broker, published_at + DEADLINE * ATTEMPTS, DEAD)
        assert letter.message.content == Content(
            b"poison",
            {
                "event_type": "search",
                "CloudPubSubDeadLetterSourceDeliveryCount": "5",
                "CloudPubSubDeadLetterSourceSubscription": "events",
                "CloudPubSubDeadLetterSourceSubscriptionProject": "shop",
                "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-11-20T12:30:15.250+00:00",
            },
            "u1",
        )

    def test_without_its_topic_a_message_is_delivered_on_rather_than_lost(self) -> None:
        broker = broker_with(dead_letter=DeadLetterPolicy(DEAD_TOPIC, ATTEMPTS))
        publish(broker, b"x")
        broker.delete_topic(DEAD_TOPIC)
        attempts = [pull(broker, DEADLINE * number)[0].attempt for number in range(ATTEMPTS + 2)]
        assert attempts == [1, 2, 3, 4, 5, 6, 7]


class TestDuplicates:
    @pytest.mark.parametrize("key", ["", "u1"])
    def test_every_nth_comes_twice_and_no_copy_of_a_copy(self, key: str) -> None:
        broker = broker_with(ordered=True, labels={"fault-duplicate-every": "3"})
        publish(broker, *(b"%d" % number for number in range(1, 8)), key=key)
        seen: list[bytes] = []
        while deliveries := pull(broker, 0):
            seen += payloads(deliveries)
            broker.acknowledge(SUBSCRIPTION, 0, [delivery.ack_id for delivery in deliveries])
        assert sorted(seen) == [b"1", b"2", b"3", b"3", b"4", b"5", b"6", b"6", b"7"]
        if key:
            assert seen == sorted(seen)


def test_timers_of_acknowledged_leases_do_not_pile_up() -> None:
    backlog = Backlog(1, DeliveryPolicy(), give_up=lambda *_: False)
    backlog.add(Message(Content(b"held"), "held", 0.0, 4))
    backlog.lease(0.0, Window(), 1, 1)
    for number in range(20_000):
        backlog.add(Message(Content(b"x"), str(number), 0.0, 1))
        [delivery] = backlog.lease(0.0, Window(), 1, 1)
        backlog.acknowledge(0.0, [delivery.ack_id])
    assert len(backlog._timers) < 2_000
    assert payloads(backlog.lease(DEADLINE, Window(), 1, 1)) == [b"held"]
