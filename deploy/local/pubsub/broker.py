"""Topics, subscriptions, and the way of a message between them.

No clock and no I/O: `now` is seconds since 1970, given by the caller, and ids come from counters, so the same
calls give the same ids. Every failure is a Refusal, and a refused call has changed nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from .backlog import Backlog, Content, Delivery, DeliveryPolicy, Message, RetryPolicy, Window
from .faults import PublishFaults, duplicate_every, publish_faults
from .refusal import Refusal, Status
from .table_rows import TableTarget

DELETED_TOPIC = "_deleted-topic_"
"""The topic of a subscription whose topic is gone. It keeps what it holds."""
_WEEK_SECONDS = 7 * 86_400.0
_MONTH_SECONDS = 31 * 86_400.0


@dataclass(frozen=True)
class DeadLetterPolicy:
    """Where a message goes after so many deliveries without an acknowledgement."""

    topic: str
    max_delivery_attempts: int


@dataclass(frozen=True)
class TopicSettings:
    """What a topic's owner may set. `retention_seconds` is kept and shown, and has no effect here."""

    labels: Mapping[str, str] = field(default_factory=dict)
    retention_seconds: float | None = None


@dataclass(frozen=True)
class SubscriptionSettings:
    """What a subscription's owner may set.

    `retain_acked`, `retention_seconds` and `expiry_seconds` (None: never) are kept and shown, and have no
    effect here: nothing lives that long in a local stack.
    """

    topic: str
    ack_deadline_seconds: int = 10
    ordered: bool = False
    target: TableTarget | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    dead_letter: DeadLetterPolicy | None = None
    retry: RetryPolicy | None = None
    retain_acked: bool = False
    retention_seconds: float = _WEEK_SECONDS
    expiry_seconds: float | None = _MONTH_SECONDS

    def delivery_policy(self) -> DeliveryPolicy:
        """What of it the backlog needs."""
        return DeliveryPolicy(
            ack_deadline_seconds=self.ack_deadline_seconds,
            ordered=self.ordered,
            retry=self.retry,
            attempts_limit=self.dead_letter.max_delivery_attempts if self.dead_letter else None,
            duplicate_every=duplicate_every(self.labels),
        )


@dataclass
class Topic:
    """A topic, and how sick it is."""

    name: str
    settings: TopicSettings
    faults: PublishFaults


@dataclass
class Subscription:
    """A subscription, and what it has yet to deliver. `topic` is DELETED_TOPIC once its topic is gone."""

    name: str
    topic: str
    settings: SubscriptionSettings
    backlog: Backlog
    errors: dict[str, str] = field(default_factory=dict)
    """Why messages were refused that are still here, by message id."""


class Broker:
    """All topics and subscriptions of one emulator."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._message_numbers = count(1)
        self._subscription_numbers = count(1)

    # Topics

    def create_topic(self, name: str, settings: TopicSettings) -> Topic:
        """ALREADY_EXISTS when the name is taken."""
        if name in self._topics:
            raise _already_exists(name)
        topic = self._topics[name] = Topic(name, settings, publish_faults(settings.labels))
        return topic

    def topic(self, name: str) -> Topic:
        """NOT_FOUND when there is none."""
        try:
            return self._topics[name]
        except KeyError:
            raise Refusal.not_found(name) from None

    def topics(self, project: str) -> list[Topic]:
        """Those of one project (`projects/…`), by name."""
        return [self._topics[name] for name in sorted(self._topics) if name.startswith(f"{project}/")]

    def update_topic(self, name: str, settings: TopicSettings) -> Topic:
        """Replace the settings; faults start anew."""
        topic = self.topic(name)
        topic.faults = publish_faults(settings.labels)
        topic.settings = settings
        return topic

    def delete_topic(self, name: str) -> None:
        """Its subscriptions stay, and deliver what they hold."""
        self.topic(name)
        del self._topics[name]
        for subscription in self._subscriptions.values():
            if subscription.topic == name:
                subscription.topic = DELETED_TOPIC

    def publish(self, name: str, contents: Sequence[Content], now: float) -> list[str]:
        """Give every subscription of the topic its copy; returns the message ids, in order."""
        self.topic(name)
        backlogs = [held.backlog for held in self._subscriptions.values() if held.topic == name]
        message_ids = []
        for content in contents:
            message = Message(content, str(next(self._message_numbers)), now, _size(content))
            message_ids.append(message.message_id)
            for backlog in backlogs:
                backlog.add(message)
        return message_ids

    # Subscriptions

    def create_subscription(self, name: str, settings: SubscriptionSettings) -> Subscription:
        """ALREADY_EXISTS when the name is taken, NOT_FOUND when one of the topics it names is not there."""
        if name in self._subscriptions:
            raise _already_exists(name)
        self.topic(settings.topic)
        self._check_dead_letter(settings)

        def forward(message: Message, attempts: int, now: float) -> bool:
            return self._forward_dead_letter(name, message, attempts, now)

        backlog = Backlog(next(self._subscription_numbers), settings.delivery_policy(), forward)
        subscription = Subscription(name, settings.topic, settings, backlog)
        self._subscriptions[name] = subscription
        return subscription

    def subscription(self, name: str) -> Subscription:
        """NOT_FOUND when there is none."""
        try:
            return self._subscriptions[name]
        except KeyError:
            raise Refusal.not_found(name) from None

    def subscriptions(self, project: str) -> list[Subscription]:
        """Those of one project (`projects/…`), by name."""
        names = sorted(self._subscriptions)
        return [self._subscriptions[name] for name in names if name.startswith(f"{project}/")]

    def subscriptions_of(self, topic: str) -> list[str]:
        """Names of the subscriptions a publish to this topic reaches, sorted."""
        self.topic(topic)
        return sorted(held.name for held in self._subscriptions.values() if held.topic == topic)

    def update_subscription(self, name: str, settings: SubscriptionSettings) -> Subscription:
        """Replace the settings; leases that are out keep their deadlines."""
        subscription = self.subscription(name)
        self._check_dead_letter(settings)
        subscription.backlog.policy = settings.delivery_policy()
        subscription.settings = settings
        return subscription

    def delete_subscription(self, name: str) -> None:
        """What it holds is gone."""
        self.subscription(name)
        del self._subscriptions[name]

    # Delivery

    def pull(
        self,
        name: str,
        now: float,
        *,
        max_messages: int,
        max_bytes: int,
        window: Window | None = None,
        deadline_seconds: float | None = None,
    ) -> list[Delivery]:
        """Lease what is ready, for `deadline_seconds` or else the subscription's own deadline."""
        backlog = self.subscription(name).backlog
        return backlog.lease(now, window or Window(), max_messages, max_bytes, deadline_seconds)

    def acknowledge(self, name: str, now: float, ack_ids: Iterable[str]) -> None:
        """Never deliver these again; ids whose lease has ended have no effect."""
        self.subscription(name).backlog.acknowledge(now, ack_ids)

    def modify_ack_deadline(self, name: str, now: float, ack_ids: Iterable[str], seconds: float) -> None:
        """Let these leases end that many seconds from now; 0 is a nack."""
        backlog = self.subscription(name).backlog
        for ack_id in ack_ids:
            backlog.modify_deadline(now, ack_id, seconds)

    def refuse(self, name: str, now: float, delivery: Delivery, error: str) -> None:
        """A nack with its reason, which a dead-lettered message carries."""
        subscription = self.subscription(name)
        subscription.errors[delivery.message.message_id] = error
        subscription.backlog.modify_deadline(now, delivery.ack_id, 0)

    def advance(self, now: float) -> None:
        """Let happen what was due by now, in every subscription."""
        for subscription in list(self._subscriptions.values()):
            subscription.backlog.advance(now)

    def next_change(self) -> float | None:
        """When `advance` may next have something to do; None while there is nothing to wait for."""
        changes = [subscription.backlog.next_change() for subscription in self._subscriptions.values()]
        return min((change for change in changes if change is not None), default=None)

    def has_news(self, name: str, window: Window) -> bool:
        """Whether a waiting subscriber should ask again: there is something, or the subscription is gone."""
        subscription = self._subscriptions.get(name)
        return subscription is None or (subscription.backlog.has_ready and window.is_open)

    def _check_dead_letter(self, settings: SubscriptionSettings) -> None:
        if settings.dead_letter:
            self.topic(settings.dead_letter.topic)

    def _forward_dead_letter(self, name: str, message: Message, attempts: int, now: float) -> bool:
        """Publish to the dead-letter topic as Pub/Sub does; False when it is gone, so nothing is lost."""
        subscription = self.subscription(name)
        policy = subscription.settings.dead_letter
        if policy is None or policy.topic not in self._topics:
            return False
        _, project, _, short_name = name.split("/")
        published_at = datetime.fromtimestamp(message.published_at, UTC)
        added = {
            "CloudPubSubDeadLetterSourceDeliveryCount": str(attempts),
            "CloudPubSubDeadLetterSourceSubscription": short_name,
            "CloudPubSubDeadLetterSourceSubscriptionProject": project,
            "CloudPubSubDeadLetterSourceTopicPublishTime": published_at.isoformat(timespec="milliseconds"),
        }
        if error := subscription.errors.pop(message.message_id, None):
            added["CloudPubSubDeadLetterSourceDeliveryErrorMessage"] = error
        content = message.content
        dead = Content(content.data, {**content.attributes, **added}, content.ordering_key)
        self.publish(policy.topic, [dead], now)
        return True


def _already_exists(name: str) -> Refusal:
    return Refusal(Status.ALREADY_EXISTS, f"Resource already exists in the project (resource={name}).")


def _size(content: Content) -> int:
    attributes = sum(len(key) + len(value) for key, value in content.attributes.items())
    return len(content.data) + attributes + len(content.ordering_key)
