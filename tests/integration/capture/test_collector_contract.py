"""The collector keeps to its OpenAPI document, whatever is sent: no 5xx, no answer the document does not know."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shopstream.capture import Counter, open_capture
from shopstream.capture.collector.api_keys import new_key
from shopstream.capture.collector.openapi import document
from shopstream.capture.collector.serve import collector_app
from shopstream.capture.collector.settings import CollectorSettings
from shopstream.capture.counters import Counts

SERVICE, SERVICE_KEY = new_key("contract", (), publishable=False, random=Random(1))
CHECKS: list[Callable[..., Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CONTRACT = schemathesis.openapi.from_dict(
    document(),
    config=schemathesis.Config.from_dict({"generation": {"deterministic": True, "with-security-parameters": False}}),
)


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


@CONTRACT.parametrize()
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_in_the_document(case: schemathesis.Case[Any], app: Any) -> None:
    with asgi.get_client(app) as client:
        case.call_and_validate(session=client, headers={"X-Api-Key": SERVICE}, checks=CHECKS)


def test_the_requests_reached_every_kind_of_answer(counts: Counts) -> None:
    """Runs after the one above: requests that were all refused at the door would show nothing."""
    counted = counts.snapshot()
    reached = (Counter.CAPTURED, Counter.FAILED, Counter.COLLECTOR_UNREADABLE)
    assert [counter for counter in reached if counted[counter] < 10] == []
