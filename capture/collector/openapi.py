"""The OpenAPI document of the collector, from the contract of events; docs/collector-openapi.json is rendered from it.

Written out rather than derived from the routes: the collector reads bodies itself, and a document that changed with a
framework's version could not be held to a file.
"""

import json
from functools import cache
from typing import Any

from shopstream.schemas import Event, Reason

from .answers import FORBIDDEN, STATUSES
from .api_keys import TAKEN

Schema = dict[str, Any]

_FILLED_IN = ("event_id", "occurred_at", "source")
"""What capture adds where an event does not bring it."""
_GIVEN_HERE = ("writer_id", "sequence")
"""What an event may not bring: the collector numbers events itself."""
_EXAMPLE = {
    "event_type": "interaction",
    "action": "click",
    "product_id": "p-7",
    "query_id": "q-1",
    "position": 2,
    "session_id": "s-9",
}
_EXAMPLE_TEXT = json.dumps(_EXAMPLE)
_KEPT = {"event_id": "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "status": "kept"}
_REJECTED = {
    "status": "rejected",
    "reason": "missing_field",
    "detail": "product_id is missing",
    "field": "product_id",
}
_REQUEST_ID = {
    "X-Request-Id": {"description": "Names the request in the collector's log.", "schema": {"type": "string"}}
}
_RATE = {
    "RateLimit-Policy": {"description": "Events a burst, and seconds until it is full.", "schema": {"type": "string"}},
    "RateLimit": {"description": "Events left, and seconds until the burst is full.", "schema": {"type": "string"}},
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}


@cache
def document() -> Schema:
    """The document as plain values. Do not change what it gives: there is one."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shopstream collector",
            "version": "1",
            "description": "Takes events from browsers and from services in other languages; see docs/collector.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "events", "description": "What happened in the shop."},
            {"name": "probes", "description": "For whoever runs the collector."},
        ],
        "paths": {
            "/v1/events": {"post": _post_events()},
            "/v1/voice/elevenlabs": {"post": _post_voice()},
            "/healthz": {"get": _probe("alive", "Whether the process answers", {})},
            "/readyz": {
                "get": _probe(
                    "ready",
                    "Whether the spool takes events",
                    {"503": _error("The spool takes no events now (not_ready).", _RETRY_AFTER)},
                )
            },
            "/openapi.json": {
                "get": {
                    "operationId": "document",
                    "summary": "This document",
                    "tags": ["probes"],
                    "security": [],
                    "responses": {
                        "200": _answer("The document.", {"type": "object"}),
                        "503": _error("Too many requests are under way (busy).", _RETRY_AFTER),
                    },
                }
            },
        },
        "components": {"schemas": _schemas(), "securitySchemes": _security_schemes()},
    }


def _post_events() -> Schema:
    batch = {"type": "array", "items": _ref("Event"), "minItems": 1, "maxItems": 500}
    line = {"type": "string", "description": "One event a line, each the JSON object of `Event`."}
    text = {"type": "string", "description": "The same as application/json: what navigator.sendBeacon sends."}
    return {
        "operationId": "send_events",
        "summary": "Keep one event or a batch",
        "description": "An event that was answered `kept` is on disk. Send an event again with the same event_id "
        "where the answer was lost: it is stored once. Bodies may be gzip (Content-Encoding). How many events and "
        "bytes are taken is a setting; 500 and 1 MiB unless set.",
        "tags": ["events"],
        "security": [{"bearer": []}, {"header": []}, {"query": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [_ref("Event"), batch]},
                    "examples": {"one": {"value": _EXAMPLE}, "batch": {"value": [_EXAMPLE, _EXAMPLE]}},
                },
                "application/x-ndjson": {"schema": line, "example": f"{_EXAMPLE_TEXT}\n{_EXAMPLE_TEXT}\n"},
                "text/plain": {"schema": text, "example": _EXAMPLE_TEXT},
            },
        },
        "responses": {
            "200": _answer("Every event was kept, or ignored: its user forbids it.", _ref("Results"), _RATE, [_KEPT]),
            "207": _answer(
                "Some events were kept, others not: see each, in the order they were sent.",
                _ref("Results"),
                _RATE | _RETRY_AFTER,
                [_KEPT, _REJECTED],
            ),
            "400": _error(
                "The body is empty (empty_body, empty_batch), not gzip as said (malformed_gzip), not UTF-8 (not_utf8), "
                "or not JSON (malformed_json; NaN, lone surrogates, a name twice, more than 32 levels).",
                _RATE,
            ),
            "401": _error("No key this collector knows (unauthorized).", {"WWW-Authenticate": _text("Bearer.")}),
            "403": _error(f"The key may send no event of the request ({FORBIDDEN}).", _RATE),
            "408": _error("The body took too long (too_slow).", _RATE),
            "413": _error("Too many bytes (body_too_large) or events (too_many_events).", _RATE),
            "415": _error(
                "Another Content-Type, charset or Content-Encoding (unsupported_media_type, unsupported_charset, "
                "unsupported_encoding).",
                _RATE | {"Accept-Encoding": _text("gzip, where the encoding was wrong.")},
            ),
            "422": _error("Every event is wrong (rejected); details.results says why for each.", _RATE),
            "429": _error("The key sends too fast (rate_limited).", _RATE | _RETRY_AFTER),
            "503": _error("The spool is full or its disk gone (unavailable), or busy; send again.", _RETRY_AFTER),
        },
    }


def _post_voice() -> Schema:
    return {
        "operationId": "send_elevenlabs_conversation",
        "summary": "Keep a finished conversation, as the ElevenLabs post-call webhook sends it",
        "tags": ["events"],
        "security": [{"elevenlabs": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object", "description": "As ElevenLabs defines it."}}},
        },
        "responses": {
            "200": _answer(
                "The conversation was kept; a webhook of another kind is ignored.",
                _ref("Results"),
                _RATE,
                [_KEPT],
            ),
            "401": _error("The signature is forged or too old (forged).", {}),
            "404": _error("No webhook secret is set (not_found).", {}),
            "408": _error("The body took too long (too_slow).", {}),
            "413": _error("Too many bytes (body_too_large).", {}),
            "422": _error("The conversation is wrong (rejected).", _RATE),
            "429": _error("Conversations come too fast (rate_limited).", _RATE | _RETRY_AFTER),
            "503": _error("The spool is full or its disk gone (unavailable), or busy; send again.", _RETRY_AFTER),
        },
    }


def _probe(status: str, summary: str, otherwise: Schema) -> Schema:
    schema = _object({"data": _object({"status": {"const": status}}), "meta": {"type": "object"}})
    return {
        "operationId": status,
        "summary": summary,
        "tags": ["probes"],
        "security": [],
        "responses": {"200": _answer("It is so.", schema)} | otherwise,
    }


def _schemas() -> Schema:
    schemas: Schema = {}
    for event_type, model in TAKEN.items():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = _as_sent(model, schema, event_type)
    schemas["Event"] = {
        "oneOf": [_ref(model.__name__) for model in TAKEN.values()],
        "discriminator": {
            "propertyName": "event_type",
            "mapping": {name: f"#/components/schemas/{model.__name__}" for name, model in TAKEN.items()},
        },
    }
    reasons = sorted({*map(str, Reason), FORBIDDEN})
    schemas["Kept"] = _object({"event_id": {"type": "string"}, "status": {"const": "kept"}})
    schemas["Rejected"] = _object(
        {
            "status": {"const": "rejected"},
            "reason": {"enum": reasons, "description": "A stable word."},
            "detail": {"type": "string", "description": "The same as a sentence; holds no value of the event."},
            "field": {"type": ["string", "null"], "description": "Path of the offending field."},
        }
    )
    schemas["Ignored"] = _object({"status": {"const": "ignored"}})
    schemas["Unavailable"] = _object({"status": {"const": "unavailable"}})
    results = {
        "type": "array",
        "items": {"oneOf": [_ref(name) for name in ("Kept", "Ignored", "Rejected", "Unavailable")]},
    }
    count = {"type": "integer", "minimum": 0}
    schemas["Results"] = _object(
        {
            "data": _object({"results": results}),
            "meta": _object({"request_id": {"type": "string"}, **dict.fromkeys(STATUSES, count)}),
        }
    )
    schemas["Error"] = _object(
        {
            "error": _object(
                {
                    "code": {"type": "string", "description": "A stable word."},
                    "message": {"type": "string", "description": "For people."},
                    "details": {"type": "object", "properties": {"results": results}},
                }
            )
        }
    )
    return dict(sorted(schemas.items()))


def _as_sent(model: type[Event], schema: Schema, event_type: str) -> Schema:
    """The event as a client may send it: without what capture fills in, never with what only capture may give."""
    properties = {name: each for name, each in schema["properties"].items() if name not in _GIVEN_HERE}
    properties["event_type"] = {"const": event_type, "description": model.model_fields["event_type"].description}
    properties["source"] = properties["source"] | {"description": "Overwritten by the name of the key."}
    required = ["event_type", *(name for name in schema["required"] if name not in _FILLED_IN)]
    return schema | {"properties": properties, "required": required}


def _security_schemes() -> Schema:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key, for services."},
        "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same."},
        "query": {"type": "apiKey", "in": "query", "name": "key", "description": "A publishable key (pk_…) only."},
        "elevenlabs": {
            "type": "apiKey",
            "in": "header",
            "name": "ElevenLabs-Signature",
            "description": "Time and HMAC of the body, as ElevenLabs computes it.",
        },
    }


def _answer(
    description: str, schema: Schema, headers: Schema | None = None, results: list[Schema] | None = None
) -> Schema:
    content: Schema = {"schema": schema}
    if results is not None:
        counts = {status: sum(each["status"] == status for each in results) for status in STATUSES}
        meta = {"request_id": "6f1c2d3e4a5b46c7d8e9f0a1b2c3d4e5", **counts}
        content["example"] = {"data": {"results": results}, "meta": meta}
    return {
        "description": description,
        "headers": _REQUEST_ID | (headers or {}),
        "content": {"application/json": content},
    }


def _error(description: str, headers: Schema) -> Schema:
    return _answer(description, _ref("Error"), headers)


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _text(description: str) -> Schema:
    return {"description": description, "schema": {"type": "string"}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
