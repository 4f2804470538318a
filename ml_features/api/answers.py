"""What the API answers: rows with where they are from, some of their fields, a page at a time."""

import gzip
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from shopstream.schemas.http.answers import RETRY_SECONDS, Json, Refusal, answer_refusal, response_of
from shopstream.schemas.http.front_desk import Visit

from ..serving.answer import Answer

AGE = "age_seconds"
"""The part of `meta` that changes while the data does not."""
_NOT_MODIFIED = 304
_TAG_BYTES = 8
_GZIP_BYTES, _GZIP_LEVEL = 1024, 5
"""A smaller answer is not worth it."""


def plain(value: object) -> object:
    """What orjson does not know: a struct by the names of its fields, a number of money as text."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    raise TypeError(f"{type(value).__name__} is not answered")


def meta_of(answer: Answer[Any]) -> Json:
    """Where an answer is from."""
    meta: Json = {
        "as_of": answer.as_of,
        "version": answer.version,
        "source": answer.source,
        "stale": answer.stale,
        AGE: round(answer.age_seconds, 3),
    }
    if answer.why is not None:
        meta["why"] = answer.why
    return meta


def chosen_fields(asked: str | None, every: Collection[str], usual: Sequence[str]) -> Sequence[str]:
    """The fields to give: those asked for, by commas, or the usual ones.

    Raises:
        Refusal: 422: One is none.
    """
    if asked is None:
        return usual
    names = list(dict.fromkeys(asked.split(",")))
    if unknown := [name for name in names if name not in every]:
        raise Refusal(
            422,
            "unknown_field",
            "`fields` names what is no field",
            details={"unknown": [name[:64] for name in unknown[:10]], "fields": sorted(every)},
        )
    return names


def picked(row: msgspec.Struct | Mapping[str, Any], fields: Sequence[str]) -> Json:
    """These fields of a row."""
    if isinstance(row, Mapping):
        return {name: row[name] for name in fields}
    return {name: getattr(row, name) for name in fields}


def respond(request: Request, data: object, meta: Json) -> Response:
    """`data` and `meta` as JSON; 304 where the client has the same data already, whatever its age by now."""
    visit = Visit.of(request)
    age = meta.pop(AGE, None)
    same = b'{"data":%b,"meta":%b' % (orjson.dumps(data, default=plain), orjson.dumps(meta))
    tag = hashlib.blake2b(same, digest_size=_TAG_BYTES).hexdigest()
    headers = {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache"}
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    told = {"request_id": visit.request_id} if age is None else {"request_id": visit.request_id, AGE: age}
    body = b"%b%b%b}" % (same[:-1], b"," if meta else b"", orjson.dumps(told)[1:])
    return packed(request, body, "application/json", headers)


def packed(request: Request, body: bytes, media_type: str, headers: Mapping[str, str], status: int = 200) -> Response:
    """A body, compressed where the client takes it."""
    every = dict(headers)
    if len(body) >= _GZIP_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, _GZIP_LEVEL)
        every |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(body, status, every, media_type)


def refused(request: Request, refusal: Refusal) -> Response:
    """A refusal as an answer; its code goes to the log."""
    Visit.of(request).code = refusal.code
    return response_of(answer_refusal(refusal))


def not_found(what: str) -> Refusal:
    """There is none, or it may not be given: which of both is not said."""
    return Refusal(404, "not_found", f"there is no {what}, or its user does not allow it")


def unavailable() -> Refusal:
    """What only the warehouse knows, and it does not answer: no list is better than one that looks complete."""
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return Refusal(503, "unavailable", "the warehouse does not answer; ask again later", headers=headers)


def cursor_of(scope: Sequence[object], position: int | str) -> str:
    """Where the next page begins, for the list that `scope` names."""
    packed = orjson.dumps([_scope_tag(scope), position])
    return urlsafe_b64encode(packed).decode().rstrip("=")


def position_in(cursor: str | None, scope: Sequence[object], kind: Any) -> Any:  # noqa: ANN401 - of that kind
    """The position a cursor holds, of a kind msgspec knows; None without one.

    Raises:
        Refusal: 400: It is none, of another list, or of one that has changed since.
    """
    if cursor is None:
        return None
    try:
        tag, position = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=tuple[str, kind])
    except (Error, ValueError, msgspec.DecodeError):
        tag = ""
    if tag != _scope_tag(scope):
        raise Refusal(400, "invalid_cursor", "the cursor is none of this list, or the list has changed; begin anew")
    return position


def _scope_tag(scope: Sequence[object]) -> str:
    return hashlib.blake2b(orjson.dumps(scope, default=str), digest_size=_TAG_BYTES).hexdigest()
