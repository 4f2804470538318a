"""The body of a request becomes events, or a reason why not. Bytes in, values out; no socket, no clock."""

import json
import zlib
from collections.abc import Sequence

import orjson

from shopstream.schemas import Reason, Rejected
from shopstream.schemas.http.answers import Refusal
from shopstream.schemas.http.body import too_large

JSON, NDJSON, TEXT = "application/json", "application/x-ndjson", "text/plain"
MEDIA_TYPES = (JSON, NDJSON, TEXT)
DEEPEST = 32
"""Levels of lists and objects in one another; an honest event has four."""

_GZIP = 16 + zlib.MAX_WBITS
Fields = dict[str, object]


def media_type(content_type: str) -> str:
    """The media type of a Content-Type header; JSON where there is none, as with a beacon of an untyped Blob.

    Raises:
        Refusal: 415: It is none the collector reads, or not UTF-8.
    """
    name, _, parameters = content_type.partition(";")
    name = name.strip().lower()
    for parameter in parameters.lower().split(";"):
        label, _, value = parameter.partition("=")
        if label.strip() == "charset" and value.strip(' "') not in {"utf-8", "utf8"}:
            raise Refusal(415, "unsupported_charset", "the body is read as UTF-8 only")
    if not name:
        return JSON
    if name not in MEDIA_TYPES:
        raise Refusal(415, "unsupported_media_type", f"the body is one of {', '.join(MEDIA_TYPES)}")
    return name


def inflate(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """The body without its Content-Encoding; never makes more than most_bytes of it.

    Raises:
        Refusal: 415: Another encoding than gzip. 413: It would be larger. 400: It is no gzip, or cut short.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise Refusal(
            415, "unsupported_encoding", "Content-Encoding is gzip or absent", headers={"Accept-Encoding": "gzip"}
        )
    member = zlib.decompressobj(_GZIP)
    try:
        inflated = member.decompress(body, most_bytes + 1)
    except zlib.error:
        raise Refusal(400, "malformed_gzip", "the body is not gzip as Content-Encoding says") from None
    if len(inflated) > most_bytes:
        raise too_large(most_bytes)
    if not member.eof or member.unused_data:
        raise Refusal(400, "malformed_gzip", "the body is cut short, or more than one gzip member")
    return inflated


def events_in(body: bytes, kind: str, most_events: int) -> Sequence[Fields | Rejected]:
    """Each event of the body, or why it is none: one JSON object, an array of them, or one a line (NDJSON).

    A line of NDJSON fails alone. An array is read whole or not at all: who knows where a broken one goes on?

    Raises:
        Refusal: 400: The body is empty, or not JSON. 413: It holds too many events.
    """
    if kind == NDJSON:
        lines = [line for line in body.split(b"\n") if line.strip()]
        _check_number(len(lines), most_events)
        return [_object_in(line) for line in lines]
    if not body.strip():
        raise Refusal(400, "empty_body", "the body is empty; send an event, an array of events, or NDJSON")
    try:
        value = _value_in(body)
    except Rejected as rejection:
        raise Refusal(400, str(rejection.reason), rejection.detail) from None
    if isinstance(value, list):
        _check_number(len(value), most_events)
        return [_as_object(each) for each in value]
    if not isinstance(value, dict):
        raise Refusal(400, str(Reason.MALFORMED_JSON), "the body is a JSON object, or an array of objects")
    return [value]


def _check_number(events: int, most_events: int) -> None:
    if not events:
        raise Refusal(400, "empty_batch", "the batch holds no event")
    if events > most_events:
        raise Refusal(413, "too_many_events", f"at most {most_events:,} events are taken in one request")


def _object_in(line: bytes) -> Fields | Rejected:
    try:
        return _as_object(_value_in(line))
    except Rejected as rejection:
        return rejection


def _as_object(value: object) -> Fields | Rejected:
    return value if isinstance(value, dict) else Rejected(Reason.MALFORMED_JSON, "an event is a JSON object")


def _value_in(text: bytes) -> object:
    """One JSON value that every parser reads alike.

    Raises:
        Rejected: It is not UTF-8, not JSON (NaN and lone surrogates are not), too deep, or names a field twice.
    """
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _unreadable(text, error.pos) from None
    _check_depth(value)
    try:
        # Which of two equal names counts differs between parsers; orjson takes the last and says nothing.
        json.loads(text, object_pairs_hook=_each_once, parse_int=_ignored, parse_float=_ignored)
    except _NamedTwiceError:
        raise Rejected(Reason.MALFORMED_JSON, "an object names a field twice") from None
    return value


def _unreadable(text: bytes, position: int) -> Rejected:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return Rejected(Reason.NOT_UTF8, f"byte {error.start} does not continue UTF-8 text")
    return Rejected(Reason.MALFORMED_JSON, f"not JSON at character {position}")


def _check_depth(value: object) -> None:
    containers = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEEPEST):
        containers = [
            inner
            for container in containers
            for inner in (container.values() if isinstance(container, dict) else container)
            if isinstance(inner, (dict, list))
        ]
    if containers:
        raise Rejected(Reason.MALFORMED_JSON, f"lists and objects lie more than {DEEPEST} deep in one another")


class _NamedTwiceError(Exception):
    """An object has two members of the same name."""


def _each_once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _NamedTwiceError


def _ignored(_: str) -> None:
    return None
