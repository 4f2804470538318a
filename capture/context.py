"""What holds for everything a request tracks: whose it is, which visit, where, and with what consent.

    with context(user_id="u-42", session_id="s-7", channel="web"):
        capture.track(search(query_id="q-1", query="oat milk"))  # an event of u-42, in the visit s-7

Contexts nest: an inner one says what changes, the rest stays. What an event says itself goes before its context.
asyncio tasks inherit the context they were made in, and so does `asyncio.to_thread`. A thread of your own begins
with none; hand it over with `contextvars.copy_context().run(function)`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

from pydantic import TypeAdapter, ValidationError

from shopstream.schemas.envelope import Traffic
from shopstream.schemas.events.search import Channel
from shopstream.schemas.identifiers import Opaque

_OPAQUE: TypeAdapter[Any] = TypeAdapter(Opaque | None)
_ACCEPTED: dict[str, tuple[TypeAdapter[Any], str]] = {
    "user_id": (_OPAQUE, "an identifier of 1 to 256 characters, none of them a control character, or None"),
    "session_id": (_OPAQUE, "an identifier of 1 to 256 characters, none of them a control character, or None"),
    "channel": (TypeAdapter(Channel | None), "one of web, app, store, voice, other, or None"),
    "traffic": (TypeAdapter(Traffic | None), "bot, test or None"),
    "analytics_consent": (TypeAdapter(bool | None), "True, False or None"),
}


class ContextFields(TypedDict, total=False):
    """What `context` takes; a field left out stays as it was, None takes it away."""

    user_id: str | None
    session_id: str | None
    channel: str | None
    traffic: str | None
    analytics_consent: bool | None


@dataclass(frozen=True, slots=True)
class Context:
    """What events take from around them where they do not say it themselves.

    Raises:
        ValueError: A field has a value that no event could carry; names the field, never the value.
    """

    user_id: str | None = None
    """Who does it: an opaque identifier; None when anonymous."""
    session_id: str | None = None
    """The visit it belongs to."""
    channel: str | None = None
    """Where the shopper is, for events that have a channel: web, app, store, voice or other."""
    traffic: str | None = None
    """What makes the request where it is no shopper: bot or test."""
    analytics_consent: bool | None = None
    """What the request says of the user's consent to analytics; None where it says nothing."""

    def __post_init__(self) -> None:
        for field, (_, accepted) in _ACCEPTED.items():
            if not is_acceptable(field, getattr(self, field)):
                raise ValueError(f"{field} of the context must be {accepted}")


CURRENT: ContextVar[Context | None] = ContextVar("shopstream_capture_context", default=None)
"""The context of the running request, task or thread. Reading it is all that tracking an event pays for it."""


@contextmanager
def context(**fields: Unpack[ContextFields]) -> Iterator[Context]:
    """Layer these fields over the current context until the block ends; as a decorator, until the function does.

    Do not `yield` to others inside the block: between its steps a generator shares the context of whoever runs it.

    Raises:
        ValueError: A field has a value that no event could carry; names the field, never the value.
        TypeError: There is no such field.
    """
    layered = replace(CURRENT.get() or _NOTHING, **fields)
    token = CURRENT.set(layered)
    try:
        yield layered
    finally:
        # A generator may be closed by another task than the one that ran it, whose own context never changed.
        with suppress(ValueError):
            CURRENT.reset(token)


def is_acceptable(field: str, value: object) -> bool:
    """True where the field of a context may have this value."""
    adapter, _ = _ACCEPTED[field]
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


_NOTHING = Context()
