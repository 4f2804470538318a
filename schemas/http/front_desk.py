"""Around every request: an id, a place, one line in the log, and an answer also where our own code fails."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import RETRY_SECONDS, Refusal, answer_refusal, response_of

logger = logging.getLogger(__name__)

BUSY = "busy"
"""The code of a request that found too many others."""
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
    level: int = logging.INFO
    """Of its line in the log."""
    about: tuple[str, ...] = ()
    """The users whose data was asked for; never in the log."""
    noted: dict[str, int] = field(default_factory=dict)
    """What the line says beside."""
    headers: dict[str, str] = field(default_factory=dict)
    """What its answer carries, whichever it is."""

    @classmethod
    def of(cls, request: Request) -> "Visit":
        """The visit of this request."""
        visit = request.scope["shopstream.visit"]
        assert isinstance(visit, cls)  # noqa: S101 - FrontDesk puts it there
        return visit

    def count(self, name: str) -> None:
        """Note one more of these."""
        self.noted[name] = self.noted.get(name, 0) + 1


@dataclass(frozen=True)
class Ended:
    """A request that was answered, or whose client has left."""

    visit: Visit
    route: str | None
    """The path as the router has it, without values; None for one it does not know."""
    status: int
    seconds: float


class FrontDesk:
    """ASGI middleware; the log line holds no payload, no key, no address, and of the path only whether we know it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        most_requests: int,
        new_id: Callable[[], str],
        clock: Callable[[], float],
        on_end: Callable[[Ended, Scope], None],
    ) -> None:
        self._app, self._most_requests = app, most_requests
        self._new_id, self._clock, self._on_end = new_id, clock, on_end
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
                more = {"X-Request-Id": visit.request_id} | visit.headers
                own = [(name.lower().encode(), value.encode()) for name, value in more.items()]
                message["headers"] = [*message["headers"], *own]
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
                failed = Refusal(500, "internal", "the server failed; send the same again later")
                await response_of(answer_refusal(failed))(scope, receive, send_on)
        finally:
            self._under_way -= 1
            ended = Ended(visit, _route(scope), status, self._clock() - began)
            _log(ended, scope)
            self._on_end(ended, scope)

    async def _attend(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        # Who asks whether we live shall hear it also when we are busy.
        if self._under_way <= self._most_requests or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        visit.code, visit.level = BUSY, logging.DEBUG  # Whoever has too much to do does not write it all down.
        await _busy(scope, receive, send)


_busy = response_of(
    answer_refusal(Refusal(503, BUSY, "too many requests are under way", headers={"Retry-After": str(RETRY_SECONDS)}))
)


def _route(scope: Scope) -> str | None:
    if (known := scope.get("route")) is not None:
        return str(known.path)
    return scope["path"] if scope.get("endpoint") and not scope.get("path_params") else None


def _log(ended: Ended, scope: Scope) -> None:
    level = logging.DEBUG if scope["path"] in _PROBES else ended.visit.level
    if logger.isEnabledFor(level):
        line = {
            "request_id": ended.visit.request_id,
            "method": scope["method"] if ended.route else None,
            "route": ended.route,
            "status": ended.status,
            "code": ended.visit.code,
            "key": ended.visit.key,
            "milliseconds": round(ended.seconds * 1000, 3),
            **ended.visit.noted,
        }
        logger.log(level, "request", extra=line)
