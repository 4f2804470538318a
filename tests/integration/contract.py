"""Requests nobody would write, made from an OpenAPI document, and what an answer to each owes it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS: list[Callable[..., Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def operations(document: Mapping[str, Any]) -> list[Any]:
    """Each operation of a document, for a test of its own: pytest-xdist runs tests of one name once."""
    config = {"generation": {"deterministic": True, "with-security-parameters": False}}
    contract = schemathesis.openapi.from_dict(dict(document), config=schemathesis.Config.from_dict(config))
    every: Iterable[Any] = contract.get_all_operations()
    return [found.ok() for found in every]


def hold_to_its_document(operation: Any, app: Any, headers: Mapping[str, str], examples: int) -> None:
    """Ask an application so many times what its document allows, and so many times what it does not."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def holds(case: schemathesis.Case[Any]) -> None:
            with asgi.get_client(app) as client:
                case.call_and_validate(session=client, headers=dict(headers), checks=CHECKS)

        with suppress(Unsatisfiable):  # An operation without parameters cannot be asked wrongly.
            holds()
