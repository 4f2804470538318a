"""google.pubsub.v1 messages ⇄ the broker's own types, and what makes a request invalid.

Every refusal names the field.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

from google.pubsub_v1 import types

from .backlog import Content, Delivery, RetryPolicy
from .broker import DeadLetterPolicy, Subscription, SubscriptionSettings, Topic, TopicSettings
from .proto import Proto
from .refusal import Refusal, Status
from .table_rows import TableTarget

# Pub/Sub's published limits.
MAX_PUBLISH_BYTES = 10_000_000
MAX_PUBLISH_MESSAGES = 1000
MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE_KEY_BYTES = 256
MAX_ATTRIBUTE_VALUE_BYTES = 1024
MAX_ORDERING_KEY_BYTES = 1024
MAX_LABELS = 64
ACK_DEADLINE_SECONDS = range(10, 601)
DELIVERY_ATTEMPTS = range(5, 101)
RETENTION_SECONDS = range(600, 31 * 86_400 + 1)
MAX_BACKOFF_SECONDS = 600

_DEFAULT_ACK_DEADLINE_SECONDS = 10
_DEFAULT_DELIVERY_ATTEMPTS = 5
_DEFAULT_MINIMUM_BACKOFF_SECONDS = 10
_DAY_SECONDS = 86_400

_ID = r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}"
_NAMES = {
    "projects": re.compile(r"projects/[^/]+"),
    "topics": re.compile(rf"projects/[^/]+/topics/{_ID}"),
    "subscriptions": re.compile(rf"projects/[^/]+/subscriptions/{_ID}"),
}
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_TABLE = re.compile(r"[^.:]+\.[^.:]+\.[^.:]+")
_ACK_ID = re.compile(r"[0-9]+-[0-9]+")

_TOPIC_FIELDS = {"name", "labels", "message_retention_duration", "state"}
_SUBSCRIPTION_FIELDS = {
    "ack_deadline_seconds",
    "bigquery_config",
    "dead_letter_policy",
    "enable_message_ordering",
    "expiration_policy",
    "labels",
    "message_retention_duration",
    "name",
    "retain_acked_messages",
    "retry_policy",
    "state",
    "topic",
    "topic_message_retention_duration",
}
FIXED_TOPIC_FIELDS = frozenset({"name"})
FIXED_SUBSCRIPTION_FIELDS = frozenset({"name", "topic", "enable_message_ordering", "filter"})


def check_name(name: str, collection: str, field: str) -> str:
    """The name itself, when it is a full one of `projects`, `topics` or `subscriptions`."""
    if not _NAMES[collection].fullmatch(name):
        form = "projects/{project}" + ("" if collection == "projects" else f"/{collection}/{{id}}")
        _refuse(
            field,
            f"{name!r} is not of the form {form}; an id has 3 to 255 of A-Z a-z 0-9 - . _ ~ + %, "
            "starts with a letter and not with goog",
        )
    return name


def check_ack_deadline(seconds: int, field: str) -> int:
    """Between 10 and 600 seconds."""
    if seconds not in ACK_DEADLINE_SECONDS:
        _refuse(field, f"{seconds} is not between 10 and 600 seconds")
    return seconds


def check_modified_deadline(seconds: int, field: str) -> int:
    """Between 0, which is a nack, and 600 seconds."""
    if not 0 <= seconds < ACK_DEADLINE_SECONDS.stop:
        _refuse(field, f"{seconds} is not between 0 and 600 seconds")
    return seconds


def check_ack_ids(ack_ids: Iterable[str], field: str) -> list[str]:
    """An id this server can never have given is a mistake of the caller; one that is over is not."""
    checked = list(ack_ids)
    for ack_id in checked:
        if not _ACK_ID.fullmatch(ack_id):
            _refuse(field, f"{ack_id!r} is not an ack id of this server")
    return checked


def read_topic(proto: Proto) -> TopicSettings:
    """Topic proto → settings."""
    _refuse_unimplemented(proto, _TOPIC_FIELDS)
    retention = None
    if proto.HasField("message_retention_duration"):
        retention = _seconds(proto.message_retention_duration)
        _check_retention(retention)
    return TopicSettings(_labels(proto.labels), retention)


def write_topic(topic: Topic) -> Proto:
    """Topic → proto."""
    proto = types.Topic.pb()(name=topic.name, labels=dict(topic.settings.labels), state="ACTIVE")
    if topic.settings.retention_seconds is not None:
        _set_seconds(proto.message_retention_duration, topic.settings.retention_seconds)
    return proto


def read_subscription(proto: Proto) -> SubscriptionSettings:
    """Subscription proto → settings, with Pub/Sub's defaults for what is not set."""
    _refuse_unimplemented(proto, _SUBSCRIPTION_FIELDS)
    retention, expiry = SubscriptionSettings.retention_seconds, SubscriptionSettings.expiry_seconds
    if proto.HasField("message_retention_duration"):
        retention = _seconds(proto.message_retention_duration)
        _check_retention(retention)
    if proto.HasField("expiration_policy"):
        expiry = _seconds(proto.expiration_policy.ttl) if proto.expiration_policy.HasField("ttl") else None
        if expiry is not None and expiry < _DAY_SECONDS:
            _refuse("expiration_policy.ttl", f"{expiry:g} seconds is less than a day")
    seconds = proto.ack_deadline_seconds or _DEFAULT_ACK_DEADLINE_SECONDS
    return SubscriptionSettings(
        topic=proto.topic,
        ack_deadline_seconds=check_ack_deadline(seconds, "ack_deadline_seconds"),
        ordered=proto.enable_message_ordering,
        target=_read_target(proto),
        labels=_labels(proto.labels),
        dead_letter=_read_dead_letter(proto),
        retry=_read_retry(proto),
        retain_acked=proto.retain_acked_messages,
        retention_seconds=retention,
        expiry_seconds=expiry,
    )


def write_subscription(subscription: Subscription) -> Proto:
    """Subscription → proto."""
    settings = subscription.settings
    proto = types.Subscription.pb()(
        name=subscription.name,
        topic=subscription.topic,
        ack_deadline_seconds=settings.ack_deadline_seconds,
        enable_message_ordering=settings.ordered,
        labels=dict(settings.labels),
        retain_acked_messages=settings.retain_acked,
        push_config={},
        expiration_policy={},
        state="ACTIVE",
    )
    _set_seconds(proto.message_retention_duration, settings.retention_seconds)
    if settings.expiry_seconds is not None:
        _set_seconds(proto.expiration_policy.ttl, settings.expiry_seconds)
    if settings.target:
        proto.bigquery_config.table = settings.target.table
        proto.bigquery_config.use_table_schema = True
        proto.bigquery_config.write_metadata = settings.target.write_metadata
        proto.bigquery_config.drop_unknown_fields = settings.target.drop_unknown_fields
        proto.bigquery_config.state = "ACTIVE"
    if settings.dead_letter:
        proto.dead_letter_policy.dead_letter_topic = settings.dead_letter.topic
        proto.dead_letter_policy.max_delivery_attempts = settings.dead_letter.max_delivery_attempts
    if settings.retry:
        _set_seconds(proto.retry_policy.minimum_backoff, settings.retry.minimum_seconds)
        _set_seconds(proto.retry_policy.maximum_backoff, settings.retry.maximum_seconds)
    return proto


def merge(current: Proto, request: Proto, mask: Proto, fixed: frozenset[str]) -> None:
    """Set in `current` what the mask names to what `request` has, for UpdateTopic and UpdateSubscription.

    Raises:
        Refusal: INVALID_ARGUMENT for an empty mask, a field that does not exist, or one that never changes.
    """
    if not mask.paths:
        _refuse("update_mask", "names no field, so nothing would be updated")
    for path in mask.paths:
        if path.split(".")[0] in fixed:
            _refuse(f"update_mask.paths: {path}", "cannot be changed after creation")
    if not mask.IsValidForDescriptor(current.DESCRIPTOR):
        _refuse("update_mask.paths", f"{', '.join(mask.paths)}: not all of these are fields")
    mask.MergeMessage(request, current, replace_message_field=True, replace_repeated_field=True)


def read_contents(request: Proto) -> list[Content]:
    """The messages of a publish request that keeps every limit."""
    if (size := request.ByteSize()) > MAX_PUBLISH_BYTES:
        _refuse("messages", f"the request has {size:,} bytes, more than {MAX_PUBLISH_BYTES:,}")
    if not 0 < len(request.messages) <= MAX_PUBLISH_MESSAGES:
        _refuse("messages", f"{len(request.messages):,} is not between 1 and {MAX_PUBLISH_MESSAGES:,} messages")
    return [_content(index, proto) for index, proto in enumerate(request.messages)]


def write_deliveries(response: Proto, deliveries: Iterable[Delivery], *, with_attempts: bool) -> Proto:
    """Put deliveries into a response; Pub/Sub tells the attempt only where a dead-letter policy counts it."""
    for delivery in deliveries:
        received = response.received_messages.add(
            ack_id=delivery.ack_id, delivery_attempt=delivery.attempt if with_attempts else 0
        )
        message, proto = delivery.message, received.message
        proto.data = message.content.data
        proto.attributes.update(message.content.attributes)
        proto.ordering_key = message.content.ordering_key
        proto.message_id = message.message_id
        # Microseconds, because a reader makes datetimes of it.
        seconds, micros = divmod(round(message.published_at * 1_000_000), 1_000_000)
        proto.publish_time.seconds, proto.publish_time.nanos = seconds, micros * 1000
    return response


def _content(index: int, proto: Proto) -> Content:
    content = Content(proto.data, dict(proto.attributes), proto.ordering_key)
    if not content.data and not content.attributes:
        _refuse(f"messages[{index}]", "has neither data nor attributes")
    if len(content.attributes) > MAX_ATTRIBUTES:
        _refuse(f"messages[{index}].attributes", f"more than {MAX_ATTRIBUTES} attributes")
    for key, value in content.attributes.items():
        if not 0 < len(key.encode()) <= MAX_ATTRIBUTE_KEY_BYTES or key.startswith("goog"):
            _refuse(f"messages[{index}].attributes", f"key {key!r} is empty, too long or starts with goog")
        if len(value.encode()) > MAX_ATTRIBUTE_VALUE_BYTES:
            _refuse(
                f"messages[{index}].attributes",
                f"the value of {key!r} exceeds {MAX_ATTRIBUTE_VALUE_BYTES} bytes",
            )
    if len(content.ordering_key.encode()) > MAX_ORDERING_KEY_BYTES:
        _refuse(f"messages[{index}].ordering_key", f"exceeds {MAX_ORDERING_KEY_BYTES} bytes")
    return content


def _read_target(proto: Proto) -> TableTarget | None:
    config = proto.bigquery_config
    if not config.table:
        return None
    if not _TABLE.fullmatch(config.table):
        _refuse("bigquery_config.table", f"{config.table!r} is not of the form project.dataset.table")
    if not config.use_table_schema:
        raise Refusal(Status.UNIMPLEMENTED, "bigquery_config: this emulator writes with use_table_schema only")
    return TableTarget(config.table, config.write_metadata, config.drop_unknown_fields)


def _read_dead_letter(proto: Proto) -> DeadLetterPolicy | None:
    policy = proto.dead_letter_policy
    if not policy.dead_letter_topic:
        return None
    check_name(policy.dead_letter_topic, "topics", "dead_letter_policy.dead_letter_topic")
    attempts = policy.max_delivery_attempts or _DEFAULT_DELIVERY_ATTEMPTS
    if attempts not in DELIVERY_ATTEMPTS:
        _refuse("dead_letter_policy.max_delivery_attempts", f"{attempts} is not between 5 and 100")
    return DeadLetterPolicy(policy.dead_letter_topic, attempts)


def _read_retry(proto: Proto) -> RetryPolicy | None:
    if not proto.HasField("retry_policy"):
        return None
    policy = proto.retry_policy
    minimum: float = _DEFAULT_MINIMUM_BACKOFF_SECONDS
    maximum: float = MAX_BACKOFF_SECONDS
    if policy.HasField("minimum_backoff"):
        minimum = _seconds(policy.minimum_backoff)
    if policy.HasField("maximum_backoff"):
        maximum = _seconds(policy.maximum_backoff)
    if not 0 <= minimum <= maximum <= MAX_BACKOFF_SECONDS:
        _refuse("retry_policy", f"0 <= {minimum:g} <= {maximum:g} <= {MAX_BACKOFF_SECONDS} seconds does not hold")
    return RetryPolicy(minimum, maximum)


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    checked = dict(labels)
    if len(checked) > MAX_LABELS:
        _refuse("labels", f"more than {MAX_LABELS} labels")
    for key, value in checked.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            _refuse(f"labels.{key}", "at most 63 of a-z 0-9 _ -, and a key starts with a letter")
    return checked


def _check_retention(seconds: float) -> None:
    if not RETENTION_SECONDS.start <= seconds < RETENTION_SECONDS.stop:
        _refuse("message_retention_duration", f"{seconds:g} seconds is not between 10 minutes and 31 days")


def _refuse_unimplemented(proto: Proto, known: set[str]) -> None:
    """A setting that would silently do nothing must not look as if it worked."""
    for descriptor, value in proto.ListFields():
        is_empty = hasattr(value, "ByteSize") and not value.ByteSize()
        if descriptor.name not in known and not is_empty:
            raise Refusal(Status.UNIMPLEMENTED, f"{descriptor.name}: this emulator does not implement it")


def _seconds(duration: Proto) -> float:
    return float(duration.seconds + duration.nanos / 1e9)


def _set_seconds(duration: Proto, seconds: float) -> None:
    whole, part = divmod(seconds, 1)
    duration.seconds, duration.nanos = int(whole), round(part * 1e9)


def _refuse(field: str, detail: str) -> NoReturn:
    raise Refusal.invalid(field, detail)
