"""What this process has pulled from a subscription, and how far it has come.

A message is done when every line of it has met its fate. One that is delivered again meanwhile has the same lines; it
does not matter with which delivery they came.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FORGET_AFTER = timedelta(hours=1)
"""Of a message whose lines have not all met their fate by then: it is let go, and Pub/Sub delivers it again."""
_IDS_PER_REQUEST = 1_000
"""Pub/Sub takes requests up to 512 KiB."""


@dataclass(frozen=True)
class News:
    """What has become known of a message."""

    message_id: str
    ack_id: str = ""
    lines: int | None = None
    """How many it has; None where this does not say."""
    settled: Sequence[int] = ()
    """Places of lines that have met their fate."""


@dataclass
class Open:
    """A message on its way."""

    since: datetime
    lines: int | None = None
    ack_ids: list[str] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)


Messages = dict[str, Open]
"""By message_id."""


def settle(messages: Messages, news: Sequence[News], now: datetime) -> list[str]:
    """Enter the news, and forget messages that are done; returns their ack_ids."""
    done: list[str] = []
    for each in news:
        message = messages.setdefault(each.message_id, Open(now))
        message.settled.update(each.settled)
        if each.lines is not None:
            message.lines = each.lines
            message.ack_ids.append(each.ack_id)
    # Not before all news are entered: two deliveries of a message may be among them.
    for message_id in {each.message_id for each in news}:
        message = messages[message_id]
        if len(message.settled) == message.lines:
            done += message.ack_ids
            del messages[message_id]
    for message_id in [name for name, message in messages.items() if now - message.since > FORGET_AFTER]:
        del messages[message_id]
    return done


def in_requests(ack_ids: Sequence[str]) -> list[Sequence[str]]:
    """As many at a time as Pub/Sub takes."""
    return [ack_ids[start : start + _IDS_PER_REQUEST] for start in range(0, len(ack_ids), _IDS_PER_REQUEST)]


class OpenMessages:
    """Messages of one subscription; for several threads."""

    def __init__(self) -> None:
        self._messages: Messages = {}
        self._leases: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def hold(self, ack_ids: Sequence[str], now: datetime) -> None:
        """These were pulled."""
        with self._lock:
            self._leases.update(dict.fromkeys(ack_ids, now))

    def held(self, now: datetime) -> list[str]:
        """Those whose time to acknowledge must not run out."""
        with self._lock:
            self._leases = {ack_id: since for ack_id, since in self._leases.items() if now - since <= FORGET_AFTER}
            return list(self._leases)

    def settle(self, news: Sequence[News], now: datetime) -> list[str]:
        """Enter the news; the ack_ids of messages that are done."""
        with self._lock:
            done = settle(self._messages, news, now)
            for ack_id in done:
                self._leases.pop(ack_id, None)
            return done


_of_process: defaultdict[str, OpenMessages] = defaultdict(OpenMessages)


def open_messages(subscription: str) -> OpenMessages:
    """Those of this process, the same for every step of the job."""
    return _of_process[subscription]
