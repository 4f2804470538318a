"""The middleware as any server would call it: scopes in, messages through."""

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.capture import Context, context
from shopstream.capture.asgi import CaptureContext, cookie, header, yes_or_no
from shopstream.capture.context import CURRENT

Headers = list[tuple[bytes, bytes]]


def request(*headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers), **more}


class App:
    """Remembers the context of each call; answers, or raises, as it is told."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.seen: list[Context | None] = []
        self.scopes: list[MutableMapping[str, Any]] = []
        self._error = error

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.seen.append(CURRENT.get())
        self.scopes.append(scope)
        await send(await receive())
        if self._error:
            raise self._error


def call(middleware: CaptureContext, *scopes: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        for scope in scopes:
            await middleware(scope, receive, send)
            assert CURRENT.get() is None

    asyncio.run(main())
    return sent


def seen_with(scope: dict[str, Any], **told: Any) -> Context | None:
    app = App()
    call(CaptureContext(app, **told), scope)
    return app.seen[0]


ALL = {
    "session_id": cookie("sid"),
    "user_id": header("X-User"),
    "analytics_consent": yes_or_no(cookie("analytics")),
    "channel": header("x-channel"),
}


def test_the_context_of_a_request_is_what_its_headers_tell() -> None:
    headers = [(b"cookie", b"a=b; sid=s-1;analytics=granted"), (b"x-user", b"u-1"), (b"x-channel", b"app")]
    assert seen_with(request(*headers), **ALL) == Context("u-1", "s-1", "app", analytics_consent=True)


def test_a_request_that_tells_nothing_has_a_context_without_anything() -> None:
    assert seen_with(request(), **ALL) == Context()
    assert seen_with(request(), channel="web") == Context(channel="web")


def test_what_is_around_the_request_already_stays_where_it_tells_nothing() -> None:
    with context(user_id="u", session_id="s"):
        inner = seen_with_inherited(request((b"cookie", b"sid=new")))
    assert inner == Context("u", "new")


def seen_with_inherited(scope: dict[str, Any]) -> Context | None:
    app = App()

    async def nothing(*_: Any) -> Any:
        return {}

    asyncio.run(CaptureContext(app, **ALL)(scope, nothing, nothing))  # type: ignore[arg-type]
    return app.seen[0]


def test_messages_and_scope_pass_through_unchanged() -> None:
    app = App()
    scope = request((b"cookie", b"sid=s"), path="/")
    before = {**scope}
    assert call(CaptureContext(app, **ALL), scope) == [{"type": "http.request"}]  # type: ignore[arg-type]
    assert app.scopes[0] is scope
    assert scope == before


@pytest.mark.parametrize("kind", ["websocket", "lifespan", "something.new"])
def test_other_connections_pass_through_without_a_context(kind: str) -> None:
    assert seen_with({"type": kind}, **ALL) is None


@pytest.mark.parametrize("error", [KeyError("k"), asyncio.CancelledError()])
def test_what_the_app_raises_goes_on_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        call(CaptureContext(App(error), session_id=cookie("sid")), request())
    assert caught.value is error


def raises(_: Any) -> str:
    raise RuntimeError("secret of the request")


@pytest.mark.parametrize(
    "tell",
    [raises, lambda _: 7, lambda _: "x" * 10_000, lambda _: "a\nb", lambda _: "", lambda scope: scope["session"]],
    ids=["raises", "number", "huge", "control", "empty", "missing"],
)
def test_a_field_that_cannot_be_told_costs_that_field_and_one_log_line(
    tell: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    middleware = CaptureContext(app, user_id=tell, session_id=cookie("sid"))
    with caplog.at_level(logging.WARNING):
        call(middleware, *[request((b"cookie", b"sid=s-1"))] * 5)
    assert app.seen == [Context(session_id="s-1")] * 5
    assert middleware.untold == {"user_id": 5, "session_id": 0}
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    assert "xxx" not in caplog.text


def test_a_channel_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="channel"):
        CaptureContext(App(), channel="fax")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"sid=1", "1"),
        (b" other=2;  sid = 1 ;x", "1"),
        (b'sid="1"', "1"),
        (b"sid=a=b=", "a=b="),
        (b"sid=1; sid=2", "1"),
        (b"xsid=1; sidx=2", None),
        (b"sid", None),
        (b"sid=", None),
        (b";;;=;sid=1", "1"),
        (b"sid=\xff\xfe", None),
        ("sid=é".encode(), "é"),
        (b"a=" + b"x" * 1_000_000 + b"; sid=1", "1"),
    ],
)
def test_a_cookie_is_found_wherever_it_stands(line: bytes, found: str | None) -> None:
    assert cookie("sid")(request((b"Cookie", line))) == found


def test_cookies_may_come_in_several_headers() -> None:
    assert cookie("sid")(request((b"cookie", b"a=1"), (b"cookie", b"sid=2"))) == "2"


@pytest.mark.parametrize(("said", "answer"), [(b"YES", True), (b"0", False), (b"perhaps", None), (b"", None)])
def test_yes_and_no_have_many_names(said: bytes, answer: bool | None) -> None:
    assert yes_or_no(header("dnt"))(request((b"dnt", said))) is answer


ANY_HEADERS = st.lists(
    st.tuples(st.sampled_from([b"cookie", b"Cookie", b"x-user", b"x-channel", b"host"]) | st.binary(), st.binary())
)


@given(headers=ANY_HEADERS)
def test_no_header_breaks_a_request_or_makes_a_context_no_event_could_carry(headers: Headers) -> None:
    seen = seen_with(request(*headers), **ALL)
    assert seen is not None


@pytest.mark.parametrize("headers", [None, 7, [1], [(b"cookie",)], [("cookie", "sid=1")]])
def test_a_server_that_breaks_the_protocol_breaks_no_request(headers: Any) -> None:
    assert seen_with({"type": "http", "headers": headers}, **ALL) == Context()
    assert seen_with({"type": "http"}, **ALL) == Context()
