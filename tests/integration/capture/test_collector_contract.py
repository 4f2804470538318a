"""The collector keeps to its OpenAPI document, whatever is sent: no 5xx, no answer the document does not know."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from shopstream.capture import Capture
from shopstream.capture.collector.api_keys import new_key
from shopstream.capture.collector.openapi import document
from shopstream.capture.collector.serve import collector_app
from shopstream.capture.collector.settings import CollectorSettings
from shopstream.capture.counters import Counter, Counts
from tests.unit.capture.conftest import NOW, Clock

CHECKS: list[Callable[..., object]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
