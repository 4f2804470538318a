"""What every method of both services shares: parsing, statuses, pages."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import grpc

from .live import Live
from .proto import Proto
from .refusal import Refusal

Method = Callable[..., Awaitable[object]]
Methods = Mapping[str, tuple[Method, Proto]]
"""Per method of a service: what answers it, and google.pubsub_v1's class of its request."""

_DEFAULT_PAGE = 100
_MAX_PAGE = 1000


class PageRequest(Protocol):
    """A List request."""

    page_size: int
    page_token: str


def guarded(live: Live, method: Method) -> Method:
    """A refusal becomes the call's status; what the call changed is told to those who wait."""

    async def call(request: object, context: grpc.aio.ServicerContext) -> object:
        try:
            return await method(request, context)
        except Refusal as refusal:
            return await context.abort(grpc.StatusCode[refusal.status.name], str(refusal))
        finally:
            live.settle()

    return call


def unary(live: Live, methods: Methods) -> dict[str, grpc.RpcMethodHandler]:
    """Handlers of the methods with one request and one response."""
    return {
        name: grpc.unary_unary_rpc_method_handler(guarded(live, method), request.pb().FromString, serialise)
        for name, (method, request) in methods.items()
    }


def serialise(response: Proto | None) -> bytes:
    """A method without a result answers google.protobuf.Empty, which is no bytes at all."""
    return b"" if response is None else bytes(response.SerializeToString())


def page(names: Sequence[str], request: PageRequest) -> tuple[Sequence[str], str]:
    """The part of sorted names a List request asks for, and the token of the next part; empty after the last.

    Raises:
        Refusal: INVALID_ARGUMENT for a negative page_size.
    """
    if request.page_size < 0:
        raise Refusal.invalid("page_size", f"{request.page_size} is negative")
    size = min(request.page_size or _DEFAULT_PAGE, _MAX_PAGE)
    # The token is the last name given: names may come and go between two pages.
    rest = [name for name in names if name > request.page_token]
    return rest[:size], rest[size - 1] if len(rest) > size else ""
