"""ASGI middleware that sets the capture context of each request, so that a handler only says what happened.

    from shopstream.capture.asgi import CaptureContext, cookie, header, yes_or_no

    app.add_middleware(  # FastAPI, Starlette; elsewhere: app = CaptureContext(app, …)
        CaptureContext,
        session_id=cookie("sid"),
        user_id=lambda scope: scope.get("user_id"),  # what your own authentication left there
        analytics_consent=yes_or_no(cookie("analytics")),
        channel="web",
        traffic=lambda scope: "bot" if is_crawler(header("user-agent")(scope)) else None,  # by a list of your own
    )

It needs no framework and captures nothing itself. A request is never refused or changed for its sake: what cannot be
told is left out. It only reads a session identifier and never makes one: a new cookie is for the shop to set, under
its own consent and lifetime. WebSockets pass through, for their consent may change while they last; their handlers
open a `context` of their own. Background tasks of a request run within its context.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from .context import Context, ContextFields, context, is_acceptable

__all__ = ["Answer", "CaptureContext", "Scope", "Text", "cookie", "header", "yes_or_no"]

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
"""What the server says of a connection (https://asgi.readthedocs.io/en/latest/specs/www.html)."""
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Text = Callable[[Scope], str | None]
"""Tells a text from a request; None where the request does not say it. Not a coroutine: it must not wait."""
Answer = Callable[[Scope], bool | None]
"""The same for yes or no."""

_YES = frozenset({"1", "true", "yes", "on", "granted"})
_NO = frozenset({"0", "false", "no", "off", "denied"})


def header(name: str) -> Text:
    """The value of this header, the first where it is repeated; None where it is absent, empty or not UTF-8."""
    wanted = name.lower().encode()

    def text(scope: Scope) -> str | None:
        return next((_decoded(value) for key, value in scope["headers"] if key.lower() == wanted), None)

    return text


def cookie(name: str) -> Text:
    """The value of this cookie as it was sent, without quotation marks; None where it is absent, empty or not UTF-8.

    Where a browser sends several of the name, the first is the one with the longest path (RFC 6265, section 5.4).
    """
    wanted = name.encode()

    def text(scope: Scope) -> str | None:
        for key, line in scope["headers"]:
            if key.lower() == b"cookie":
                for pair in line.split(b";"):
                    found, _, value = pair.partition(b"=")
                    if found.strip() == wanted:
                        return _decoded(value)
        return None

    return text


def yes_or_no(text: Text) -> Answer:
    """True for 1, true, yes, on, granted; False for 0, false, no, off, denied; None for anything else."""

    def answer(scope: Scope) -> bool | None:
        said = (text(scope) or "").lower()
        return True if said in _YES else False if said in _NO else None

    return answer


class CaptureContext:
    """Sets the context of each HTTP request around the app it wraps, from what the given functions tell.

    Each of them gets the connection's scope. One that raises, or tells what no event could carry, costs the request
    that field only; it is counted in `untold` and logged once, without the value.

    Raises:
        ValueError: `channel` is a text that no event could carry.
    """

    def __init__(
        self,
        app: App,
        *,
        session_id: Text | None = None,
        user_id: Text | None = None,
        analytics_consent: Answer | None = None,
        channel: Text | str | None = None,
        traffic: Text | None = None,
    ) -> None:
        self._app = app
        tellers: dict[str, Callable[[Scope], object] | None] = {
            "session_id": session_id,
            "user_id": user_id,
            "analytics_consent": analytics_consent,
            "channel": channel if callable(channel) else None,
            "traffic": traffic,
        }
        self._tellers = [(field, tell) for field, tell in tellers.items() if tell is not None]
        self._always = {} if channel is None or callable(channel) else {"channel": channel}
        Context(
            channel=self._always.get("channel")
        )  # A channel that is none is a mistake of whoever wrote it, and told at once.
        self.untold: dict[str, int] = {field: 0 for field, _ in self._tellers}
        """How many requests each field could not be told of, because of an error or a value no event could carry."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the wrapped app, within a context where it is an HTTP request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with context(**self._told_of(scope)):
            await self._app(scope, receive, send)

    def _told_of(self, scope: Scope) -> ContextFields:
        fields: dict[str, Any] = dict(self._always)
        for field, tell in self._tellers:
            try:
                value = tell(scope)
                if not is_acceptable(field, value):
                    self._note(field, f"a {type(value).__name__} that no event could carry")
                elif value is not None:  # What the request does not say, another middleware may know.
                    fields[field] = value
            except Exception as error:  # noqa: BLE001 - the service's own function: the request goes on whatever it does
                self._note(field, type(error).__name__)
        return cast("ContextFields", fields)

    def _note(self, field: str, problem: str) -> None:
        self.untold[field] += 1
        if self.untold[field] == 1:
            logger.warning("the %s of a request is left out (%s); said once, counted from now on", field, problem)


def _decoded(value: bytes) -> str | None:
    try:
        return value.strip(b' \t"').decode() or None
    except UnicodeDecodeError:
        return None
