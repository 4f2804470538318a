"""Many events in one Pub/Sub message, and back: newline-delimited JSON with attributes that say what is inside.

A message of a foreign publisher that carries one event and no attributes is the case of one line.
"""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .failure import Reason, Rejected

FAILED_EVENT = "failed_event"
"""The event_type attribute of messages whose lines are FailedEvent records: events refused at capture."""
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""A compressed message may not unfold to more than this."""
_WORTH_COMPRESSING_BYTES = 1024
_WINDOW_BITS_OF_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Message:
    """What goes to a topic."""

    data: bytes
    attributes: dict[str, str]


def pack(event_type: str, lines: Sequence[bytes], *, schema_version: int = 1) -> Message:
    """One message of all lines, each the JSON of one event of this type; compressed where that pays."""
    body = b"\n".join(lines)
    attributes = {"event_type": event_type, "schema_version": str(schema_version), "count": str(len(lines))}
    if len(body) >= _WORTH_COMPRESSING_BYTES:
        # mtime=0: the same lines give the same bytes.
        compressed = gzip.compress(body, compresslevel=1, mtime=0)
        if len(compressed) < len(body):
            return Message(compressed, attributes | {"content_encoding": "gzip"})
    return Message(body, attributes)


def unpack(data: bytes, attributes: Mapping[str, str]) -> list[bytes]:
    """The lines of a message, without empty ones.

    Raises:
        Rejected: The encoding is not known, or the data is not what it says.
    """
    encoding = attributes.get("content_encoding", "identity")
    if encoding == "identity":
        body = data
    elif encoding == "gzip":
        body = _gunzip(data)
    else:
        raise Rejected(
            Reason.UNREADABLE_MESSAGE,
            "content_encoding is not one of identity, gzip",
            field="attributes.content_encoding",
        )
    # Not splitlines(): it also breaks at \r, which may stand inside a line of broken JSON.
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not lines:
        raise Rejected(Reason.UNREADABLE_MESSAGE, "the message holds no line")
    return lines


def _gunzip(data: bytes) -> bytes:
    inflate = zlib.decompressobj(_WINDOW_BITS_OF_GZIP)
    try:
        body = inflate.decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise Rejected(Reason.UNREADABLE_MESSAGE, f"the data is not gzip: {error}", field="data") from None
    if inflate.unconsumed_tail:
        raise Rejected(Reason.TOO_LARGE, f"the data unfolds to more than {MAX_UNPACKED_BYTES:,} bytes", field="data")
    if not inflate.eof:
        raise Rejected(Reason.UNREADABLE_MESSAGE, "the gzip data ends early", field="data")
    return body
