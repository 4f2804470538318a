"""Around every request: an id, a place, one line in the log, and an answer also where our own code fails."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..counters import Counter, Counts
from .answers import RETRY_SECONDS, Refusal, Result, answer_refusal

logger = logging.getLogger(__name__)

_GONE = 499
"""Logged where the client left before its answer; nginx's number, for HTTP has none."""
_PROBES = {"/healthz", "/readyz"}
# An id from outside is taken over only where it cannot be anything else, such as an e-mail address.
_OUTSIDE_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Visit:
    """What is noted of one request."""

    request_id: str
    key: str | None = None
    """The name of the key, never the key."""
    code: str | None = None
    """Of the error it was answered with."""
    events: dict[str, int] = field(default_factory=dict)
    """How many events were kept, ignored, rejected, or found the spool unavailable."""
    headers: dict[str, str] = field(default_factory=dict)
    """What its answer carries, whichever it is."""

    @classmethod
    def of(cls, request: Request) -> "Visit":
        """The visit of this request."""
        visit = request.scope["shopstream.visit"]
        assert isinstance(visit, cls)  # noqa: S101 - FrontDesk puts it there
        return visit

    def note(self, results: Sequence[Result]) -> None:
        """Count what became of its events."""
        for result in results:
            self.events[result.status] = self.events.get(result.status, 0) + 1


class FrontDesk:
    """ASGI middleware; the log line holds no payload, no key, no address, and of the path only whether we know it."""

    def __init__(
        self, app: ASGIApp, *, counts: Counts, most_requests: int, new_id: Callable[[], str], clock: Callable[[], float]
    ) -> None:
        self._app, self._counts, self._most_requests = app, counts, most_requests
        self._new_id, self._clock = new_id, clock
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock()
        given = Headers(scope=scope).get("X-Request-Id", "")
        visit = Visit(given if _OUTSIDE_ID.fullmatch(given) else self._new_id())
        scope["shopstream.visit"] = visit
        status = _GONE

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update({"X-Request-Id": visit.request_id} | visit.headers)
            await send(message)

        self._under_way += 1
        try:
            await self._attend(visit, scope, receive, send_on)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 - nobody stands behind us to answer
            visit.code = type(error).__name__
            # The traceback's last lines would quote the client's values.
            logger.error("a request met an error nobody foresaw: %s", visit.code)  # noqa: TRY400
            if status == _GONE:
                await self._refuse(Refusal(500, "internal", "the collector failed; send the same again later"), send_on)
        finally:
            self._under_way -= 1
            self._log(scope, visit, status, self._clock() - began)

    async def _attend(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        # Who asks whether we live shall hear it also when we are busy.
        if self._under_way <= self._most_requests or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        self._counts.add(Counter.COLLECTOR_BUSY)
        visit.code = "busy"
        headers = {"Retry-After": str(RETRY_SECONDS)}
        await self._refuse(Refusal(503, visit.code, "too many requests are under way", headers=headers), send)

    async def _refuse(self, refusal: Refusal, send: Send) -> None:
        answer = answer_refusal(refusal)
        body = orjson.dumps(answer.body)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | answer.headers
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _log(self, scope: Scope, visit: Visit, status: int, seconds: float) -> None:
        route = scope.get("endpoint")
        logger.log(
            logging.DEBUG if scope["path"] in _PROBES else logging.INFO,
            "request",
            extra={
                "request_id": visit.request_id,
                "method": scope["method"] if route else None,
                "route": scope["path"] if route else None,
                "status": status,
                "code": visit.code,
                "key": visit.key,
                "milliseconds": round(seconds * 1000, 3),
                **visit.events,
            },
        )
