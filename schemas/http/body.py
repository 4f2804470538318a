"""Reads a body that a client sends, up to a size and for so long."""

import asyncio
from contextlib import aclosing

from starlette.requests import Request

from .answers import Refusal


def too_large(most_bytes: int) -> Refusal:
    """The body is larger than the server takes."""
    return Refusal(413, "body_too_large", f"at most {most_bytes:,} bytes are taken in one request, inflated; send less")


async def sent_body(request: Request, most_bytes: int, seconds: float) -> bytes:
    """The body as it was sent.

    Raises:
        Refusal: 413: It is too large. 408: It took too long.
    """
    length = request.headers.get("Content-Length", "0")
    if length.isdecimal() and int(length[:20]) > most_bytes:
        raise too_large(most_bytes)
    received = bytearray()
    try:
        async with asyncio.timeout(seconds), aclosing(request.stream()) as parts:
            async for part in parts:
                received += part
                if len(received) > most_bytes:
                    raise too_large(most_bytes)
    except TimeoutError:
        raise Refusal(408, "too_slow", f"the body took longer than {seconds:g} s") from None
    return bytes(received)
