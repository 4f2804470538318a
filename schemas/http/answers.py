"""What a server of ours answers: `{"data": …, "meta": …}` or `{"error": {"code", "message", "details"}}`, as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

RETRY_SECONDS = 5
"""When a client may come again to a server that is busy, or to what stands behind it and is full."""

Json = dict[str, object]


class Refusal(Exception):
    """The request ends here, with this status. No text of it holds a value from the payload."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details, self.headers = details or {}, dict(headers or {})


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body that is JSON, and headers."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def packed(self) -> bytes:
        """The body as it is sent."""
        return orjson.dumps(self.body)


def answer_refusal(refusal: Refusal) -> Answer:
    """The error form."""
    error: Json = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
    return Answer(refusal.status, {"error": error}, refusal.headers)


def response_of(answer: Answer) -> Response:
    """The answer as the framework sends it."""
    return Response(answer.packed, answer.status, answer.headers, media_type="application/json")


def refusal_by_status(error: HTTPException) -> Refusal:
    """What the router refuses: no such path, no such method."""
    code, message = _BY_STATUS.get(error.status_code, ("bad_request", "the request cannot be answered"))
    return Refusal(error.status_code, code, message, headers=error.headers)


_BY_STATUS = {
    404: ("not_found", "no such path; /openapi.json lists them"),
    405: ("method_not_allowed", "no such method here; the Allow header lists them"),
}
