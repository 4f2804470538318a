"""The collector keeps to its OpenAPI document, whatever is sent: no 5xx, no answer the document does not know."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
import schemathesis

from shopstream.capture import Counter, open_capture
from shopstream.capture.collector.api_keys import new_key
from shopstream.capture.collector.openapi import document
from shopstream.capture.collector.serve import collector_app
from shopstream.capture.collector.settings import CollectorSettings
from shopstream.capture.counters import Counts
from tests.integration.contract import hold_to_its_document, operations

SERVICE, SERVICE_KEY = new_key("contract", (), publishable=False, random=Random(1))


@schemathesis.serializer("application/x-ndjson")
def as_sent(_: schemathesis.SerializationContext, value: object) -> bytes:
    """The text as it was made up; what is no text becomes one."""
    return str(value).encode(errors="surrogatepass")


@pytest.fixture(scope="module")
def counts() -> Counts:
    return Counts()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, counts: Counts) -> Iterator[Any]:
    environ = {
        "CAPTURE_SPOOL_DIRECTORY": str(tmp_path_factory.mktemp("contract") / "spool"),
        "CAPTURE_PUBSUB_ENABLED": "false",
    }
    collector = CollectorSettings.model_validate({"keys": SERVICE_KEY.line(), "events_per_second": 1e9})
    with open_capture(environ, counts=counts) as capture:
        yield collector_app(
            capture,
            counts,
            collector,
            lambda: None,
            voice_secret=None,
            now=lambda: datetime.now(UTC),
            clock=time.monotonic,
            random=Random(7),
        )


@pytest.mark.parametrize("operation", operations(document()), ids=lambda each: each.label)
def test_every_answer_is_in_the_document(operation: Any, app: Any) -> None:
    hold_to_its_document(operation, app, {"X-Api-Key": SERVICE}, examples=75)


def test_the_requests_reached_every_kind_of_answer(counts: Counts) -> None:
    """Runs after the one above: requests that were all refused at the door would show nothing."""
    counted = counts.snapshot()
    reached = (Counter.CAPTURED, Counter.FAILED, Counter.COLLECTOR_UNREADABLE)
    assert [counter for counter in reached if counted[counter] < 10] == []
