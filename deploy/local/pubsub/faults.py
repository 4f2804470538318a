"""Faults on demand, set over the wire with the real client, so that a test needs no mock.

They are labels, given when a topic or subscription is created or with UpdateTopic and UpdateSubscription:

    publisher.update_topic(request={
        "topic": {"name": topic, "labels": {"fault-publish": "unavailable", "fault-times": "3"}},
        "update_mask": {"paths": ["labels"]},
    })

On a topic:

    fault-publish           what becomes of a publish request:
        unavailable, deadline-exceeded, resource-exhausted
                            it ends with this status and stores nothing
        hang                it is never answered and stores nothing; the caller's own deadline ends it
        answer-lost         it is stored, and ends with UNAVAILABLE as if the answer had been lost on the way
    fault-times             so many requests suffer it, then the topic is well; without this label, all do
    fault-publish-delay-ms  every publish request is answered this many milliseconds later

On a subscription:

    fault-duplicate-every   N: every Nth message is delivered twice, with the same message id and another ack
                            id, however promptly it is acknowledged

Every UpdateTopic starts fault-times anew. Another label that begins with `fault-`, or another value, is
INVALID_ARGUMENT: a misspelled fault must not look like a test that passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .refusal import Refusal

_PREFIX = "fault-"
_PUBLISH, _TIMES, _DELAY_MS = "fault-publish", "fault-times", "fault-publish-delay-ms"
_DUPLICATE_EVERY = "fault-duplicate-every"


class PublishFault(StrEnum):
    """What may become of a publish request."""

    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline-exceeded"
    RESOURCE_EXHAUSTED = "resource-exhausted"
    HANG = "hang"
    ANSWER_LOST = "answer-lost"


@dataclass
class PublishFaults:
    """The faults of one topic; `times_left` is None when they never heal."""

    fault: PublishFault | None = None
    times_left: int | None = None
    delay_seconds: float = 0.0

    def strike(self) -> PublishFault | None:
        """The fault that the next publish request suffers; counts it."""
        if self.fault is None or self.times_left == 0:
            return None
        if self.times_left is not None:
            self.times_left -= 1
        return self.fault


def publish_faults(labels: Mapping[str, str]) -> PublishFaults:
    """What a topic's labels ask for.

    Raises:
        Refusal: INVALID_ARGUMENT for an unknown fault, or a value that does not fit.
    """
    _refuse_unknown(labels, {_PUBLISH, _TIMES, _DELAY_MS})
    fault = None
    if _PUBLISH in labels:
        try:
            fault = PublishFault(labels[_PUBLISH])
        except ValueError:
            raise Refusal.invalid(
                f"labels.{_PUBLISH}", f"{labels[_PUBLISH]!r} is not one of {', '.join(PublishFault)}"
            ) from None
    return PublishFaults(fault, _whole(labels, _TIMES), (_whole(labels, _DELAY_MS) or 0) / 1000)


def duplicate_every(labels: Mapping[str, str]) -> int | None:
    """Every how many messages a subscription delivers one twice; None is never.

    Raises:
        Refusal: INVALID_ARGUMENT for an unknown fault, or a value that is not a whole number from 1.
    """
    _refuse_unknown(labels, {_DUPLICATE_EVERY})
    return _whole(labels, _DUPLICATE_EVERY)


def _refuse_unknown(labels: Mapping[str, str], known: set[str]) -> None:
    for key in labels:
        if key.startswith(_PREFIX) and key not in known:
            raise Refusal.invalid(f"labels.{key}", f"not a fault here; there are {', '.join(sorted(known))}")


def _whole(labels: Mapping[str, str], key: str) -> int | None:
    text = labels.get(key)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise Refusal.invalid(f"labels.{key}", f"{text!r} is not a whole number from 1")
    return int(text)
