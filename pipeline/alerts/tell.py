"""Sends messages to the channels that are set: a Pub/Sub topic, a webhook. Each fails by itself."""

import hashlib
import hmac
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import orjson
import requests
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.cloud import pubsub_v1

from shopstream.schemas import Unavailable
from shopstream.schemas.alert import AlertChannel

from ..options import PipelineSettings
from .plan import Message

logger = logging.getLogger(__name__)

SECONDS = 10.0
"""So long a channel may take for a message."""
MOST_SHOWN = 20
"""Of the alerts of a message so many are in it one by one."""
SIGNATURE = "X-Shopstream-Signature"


class Channel(Protocol):
    """Where messages go."""

    def send(self, message: Message) -> None:
        """Hand it over.

        Raises:
            Unavailable: It was not taken.
        """


def body_of(message: Message) -> dict[str, Any]:
    """What a message says."""
    return {
        "message_id": message.message_id,
        "rule": message.rule,
        "severity": max((each.finding.severity for each in message.alerts), key=("warning", "critical").index),
        "text": message.alerts[0].finding.text
        if len(message.alerts) == 1
        else f"{len(message.alerts):,} alerts of {message.rule}",
        "count": len(message.alerts),
        "alerts": [
            {"alert_id": each.alert_id, "opened_at": each.opened_at.isoformat(), **vars(each.finding)}
            for each in message.alerts[:MOST_SHOWN]
        ],
    }


class Topic:
    """A Pub/Sub topic; `message_id`, `rule` and `severity` are attributes too."""

    def __init__(self, client: pubsub_v1.PublisherClient, path: str) -> None:
        self._client, self._path = client, path

    def send(self, message: Message) -> None:
        """Publish it.

        Raises:
            Unavailable: Pub/Sub did not take it.
        """
        body = body_of(message)
        attributes = {name: body[name] for name in ("message_id", "rule", "severity")}
        try:
            self._client.publish(self._path, orjson.dumps(body), timeout=SECONDS, retry=None, **attributes).result(
                SECONDS
            )
        except (GoogleAPICallError, RetryError, TimeoutError) as error:
            raise Unavailable(f"the topic {self._path} did not take a message: {type(error).__name__}") from error


class Webhook:
    """An HTTP address that is POSTed JSON, signed where there is a secret: HMAC-SHA-256 of the body, hexadecimal."""

    def __init__(self, session: requests.Session, url: str, secret: str | None) -> None:
        self._session, self._url, self._secret = session, url, secret

    def send(self, message: Message) -> None:
        """POST it.

        Raises:
            Unavailable: The server did not answer with 2xx.
        """
        body = orjson.dumps(body_of(message))
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.message_id}
        if self._secret is not None:
            headers[SIGNATURE] = f"sha256={hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()}"
        try:
            answer = self._session.post(self._url, body, headers=headers, timeout=SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            # Not the address: it may hold a secret.
            raise Unavailable(f"the webhook did not take a message: {type(error).__name__}") from None
        if not answer.ok or answer.is_redirect:
            raise Unavailable(f"the webhook answered a message with {answer.status_code}")


@contextmanager
def channels_of(settings: PipelineSettings) -> Iterator[Mapping[AlertChannel, Channel]]:
    """The channels that are set, open."""
    channels: dict[AlertChannel, Channel] = {}
    with ExitStack() as stack:
        if settings.alert_topic is not None:
            client = pubsub_v1.PublisherClient()
            stack.callback(client.stop)
            channels["topic"] = Topic(client, client.topic_path(settings.google_cloud_project, settings.alert_topic))
        if settings.alert_webhook_url is not None:
            session = stack.enter_context(requests.Session())
            secret = settings.alert_webhook_secret
            url = settings.alert_webhook_url.get_secret_value()
            channels["webhook"] = Webhook(session, url, None if secret is None else secret.get_secret_value())
        yield channels
