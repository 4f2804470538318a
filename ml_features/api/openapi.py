"""What the API's document says of answers, from the models of the tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

Doc = dict[str, Any]
Docs = dict[int | str, Doc]

_ERROR: Doc = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "description": "A stable word."},
                "message": {"type": "string", "description": "The same as a sentence for people."},
                "details": {"type": "object"},
            },
        }
    },
}
_NULL: Doc = {"type": "null"}
_META: Doc = {
    "type": "object",
    "required": ["request_id"],
    "properties": {
        "request_id": {"type": "string", "description": "Names the request in the log and in `lookups`."},
        "as_of": {"type": ["string", "null"], "format": "date", "description": "The date the rows were computed for."},
        "version": {"type": ["string", "null"], "description": "The publication they are from; null of the warehouse."},
        "source": {
            "enum": ["redis", "warehouse", "default"],
            "description": "`default`: nobody answered in time and nothing was remembered; `data` is null or empty.",
        },
        "age_seconds": {"type": "number", "description": "Since they were published, or read from the warehouse."},
        "stale": {"type": "boolean", "description": "Given from memory, since nobody answered."},
        "why": {"type": "string", "description": "Why nobody answered, where it is stale or `default`."},
        "next_cursor": {"type": ["string", "null"], "description": "Names the next page; null on the last."},
    },
}
_RETRY_AFTER: Doc = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_MEANINGS: Mapping[int, str] = {
    400: "The cursor is none of this list, or the body no JSON.",
    401: "No key this server knows.",
    403: "The key's role does not allow it.",
    404: "There is none, or its user does not allow it.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    422: "A parameter, a field or the body is not what it must be.",
    429: "The key asks too often.",
    500: "The server failed.",
    503: "Too many requests are under way, or what only the warehouse knows was not answered.",
}
_ALWAYS = (401, 403, 422, 429, 503)
_LATER = (429, 503)


def errors(*statuses: int) -> Docs:
    """These errors, and those of every route with a key."""
    return {status: error_doc(status) for status in sorted({*_ALWAYS, *statuses})}


def error_doc(status: int) -> Doc:
    """An error in the document."""
    doc: Doc = {"description": _MEANINGS[status], "content": {"application/json": {"schema": _ERROR}}}
    return doc | {"headers": _RETRY_AFTER} if status in _LATER else doc


def rows_doc(model: type[BaseModel], fields: Sequence[str], *, many: bool = False) -> Docs:
    """An answer with these fields of a model: one row or null, or a list of rows."""
    row = row_doc(model, fields)
    return data_doc({"type": "array", "items": row} if many else {"anyOf": [row, _NULL]})


def data_doc(data: Doc) -> Docs:
    """An answer whose `data` has this schema."""
    schema = {"type": "object", "required": ["data", "meta"], "properties": {"data": data, "meta": _META}}
    tag = {"ETag": {"description": "Of the data, whatever its age by now.", "schema": {"type": "string"}}}
    docs: Docs = {
        200: {"description": "Answered.", "headers": tag, "content": {"application/json": {"schema": schema}}},
        304: {"description": "The client has the same data: its If-None-Match names the ETag."},
    }
    return docs | errors()


def probe_doc(status: str, *, may_fail: bool = False) -> Docs:
    """What a probe answers."""
    data = {"type": "object", "required": ["status"], "properties": {"status": {"const": status}}}
    schema = {"type": "object", "required": ["data", "meta"], "properties": {"data": data, "meta": {"type": "object"}}}
    doc: Docs = {200: {"description": f"It is {status}.", "content": {"application/json": {"schema": schema}}}}
    return doc | {503: error_doc(503)} if may_fail else doc


def document(app: FastAPI) -> Doc:
    """The document with what the framework does not know: how keys are sent."""
    doc: Doc = FastAPI.openapi(app)
    doc.setdefault("components", {})["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    }
    for path, operations in doc["paths"].items():
        for operation in operations.values():
            operation["security"] = [{"bearer": []}, {"header": []}] if path.startswith("/v1/") else []
    return doc


def row_doc(model: type[BaseModel], fields: Sequence[str]) -> Doc:
    """The schema of a row with these fields of a model. None is required, for `fields` chooses."""
    schema = model.model_json_schema(mode="serialization")
    parts = schema.get("$defs", {})
    every = schema["properties"]
    properties = {name: _inlined(every[name], parts) for name in fields if name in every}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _inlined(schema: Any, parts: Mapping[str, Doc]) -> Any:  # noqa: ANN401 - JSON
    """With every part in place of what refers to it."""
    if isinstance(schema, list):
        return [_inlined(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if (reference := schema.get("$ref")) is not None:
        return _inlined(parts[reference.rpartition("/")[2]], parts)
    return {name: _inlined(each, parts) for name, each in schema.items()}
