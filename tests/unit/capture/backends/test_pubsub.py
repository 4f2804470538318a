from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, tuples

from shopstream.capture.backends import backends_on
from shopstream.capture.backends.pubsub import _translated, messages_of
from shopstream.capture.settings import CaptureSettings
from shopstream.capture.spool_format import Record
from shopstream.schemas import Rejected, Unavailable, read_settings, unpack
from shopstream.schemas.message import FAILED_EVENT
from tests.unit.capture.conftest import NOW

DOCUMENT = b'{"event_id":"e","source":"s","occurred_at":"2026-11-20T12:00:00Z","n":%d,"pad":"%s"}'


def record(event_type: str, number: int, size: int) -> Record:
    return Record(event_type, DOCUMENT % (number, b"x" * size))


@given(
    lists(tuples(sampled_from(["search", "order", FAILED_EVENT]), integers(0, 400)), max_size=40),
    integers(1, 10),
    integers(100, 2000),
)
def test_every_record_is_in_one_message_of_its_type_within_the_limits(
    shapes: list[tuple[str, int]], most_events: int, most_bytes: int
) -> None:
    records = [record(event_type, number, size) for number, (event_type, size) in enumerate(shapes)]
    found: dict[str, list[bytes]] = {}
    for message in messages_of(records, most_events, most_bytes):
        lines = unpack(message.data, message.attributes)
        assert int(message.attributes["count"]) == len(lines) <= most_events
        assert len(lines) == 1 or sum(len(line) + 1 for line in lines) <= most_bytes
        assert ("ce-id" in message.attributes) == (len(lines) == 1 and message.attributes["event_type"] != FAILED_EVENT)
        found.setdefault(message.attributes["event_type"], []).extend(lines)
    for event_type in {event_type for event_type, _ in shapes}:
        assert found[event_type] == [each.document for each in records if each.event_type == event_type]


def test_an_event_that_goes_alone_is_its_own_json_however_long() -> None:
    records = [record("search", number, 5_000) for number in range(3)]
    messages = list(messages_of(records, 1, 1 << 20))
    assert [message.data for message in messages] == [each.document for each in records]
    assert {message.attributes.get("content_encoding") for message in messages} == {None}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.InvalidArgument("secret"), Rejected),
        (exceptions.NotFound("secret"), Unavailable),
        (exceptions.PermissionDenied("secret"), Unavailable),
        (exceptions.ServiceUnavailable("secret"), Unavailable),
        (exceptions.DeadlineExceeded("secret"), Unavailable),
        (exceptions.ResourceExhausted("secret"), Unavailable),
        (exceptions.RetryError("secret", None), Unavailable),
        (DefaultCredentialsError("secret"), Unavailable),
        (grpc.RpcError("secret"), Unavailable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_clients_errors_become_our_two_without_their_text(error: Any, kind: type[Exception]) -> None:
    translated = _translated(error)
    assert type(translated) is kind
    assert "secret" not in str(translated)


def test_events_are_published_to_the_endpoint_that_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A channel to Google's hosts needs an account, so that only its making is looked at."""
    asked: list[str] = []
    local = grpc.insecure_channel("127.0.0.1:1")

    def create_channel(host: str, **_: object) -> grpc.Channel:
        asked.append(host)
        return local

    monkeypatch.setattr(PublisherGrpcTransport, "create_channel", create_channel)
    environ = {"CAPTURE_SPOOL_DIRECTORY": str(tmp_path), "GOOGLE_CLOUD_PROJECT": "shopstream-test"}
    for given_too in ({}, {"CAPTURE_PUBSUB_ENDPOINT": "europe-west1-pubsub.googleapis.com"}):
        settings = read_settings(CaptureSettings, environ | given_too)
        backends_on(settings, environ | given_too, now=lambda: NOW)["pubsub"].make()
    local.close()
    assert asked == ["pubsub.googleapis.com:443", "europe-west1-pubsub.googleapis.com:443"]
