"""Many events in one Pub/Sub message, and back: newline-delimited JSON with attributes that say what is inside.

A message of a foreign publisher that carries one event and no attributes is the case of one line.
"""

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .failure import Reason, Rejected

FAILED_EVENT = "failed_event"
"""The event_type attribute of messages whose lines are FailedEvent records: events refused at capture."""
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""A compressed message may not unfold to more than this."""
_WORTH_COMPRESSING_BYTES = 1024
_PIECE_OF_ZSTD = 1024
"""Unfolds to 32 MiB at most, block by block: so much may be unfolded before the limit is seen."""
_WINDOW_BITS_OF_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Message:
    """What goes to a topic."""

    data: bytes
    """Lines of JSON, compressed where `content_encoding` says so."""
    attributes: dict[str, str]
    """`event_type`, `schema_version`, `count` and, where it is compressed, `content_encoding`."""


def pack(event_type: str, lines: Sequence[bytes], *, schema_version: int = 1, compress: bool = True) -> Message:
    """One message of all lines, each the JSON of one event of this type; compressed where that pays, or never."""
    body = b"\n".join(lines)
    attributes = {"event_type": event_type, "schema_version": str(schema_version), "count": str(len(lines))}
    if compress and len(body) >= _WORTH_COMPRESSING_BYTES:
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
    if encoding not in _DECODERS:
        raise Rejected(
            Reason.UNREADABLE_MESSAGE,
            f"content_encoding is not one of {', '.join(_DECODERS)}",
            field="attributes.content_encoding",
        )
    body = _DECODERS[encoding](data)
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
        raise _unfolds_to_too_much()
    if not inflate.eof:
        raise Rejected(Reason.UNREADABLE_MESSAGE, "the gzip data ends early", field="data")
    return body


def _unzstd(data: bytes) -> bytes:
    # Only whoever reads such messages needs the package: capture packs with gzip.
    import zstandard

    inflate = zstandard.ZstdDecompressor(max_window_size=MAX_UNPACKED_BYTES).decompressobj()
    body = bytearray()
    for start in range(0, len(data), _PIECE_OF_ZSTD):
        try:
            body += inflate.decompress(data[start : start + _PIECE_OF_ZSTD])
        except zstandard.ZstdError as error:
            raise Rejected(Reason.UNREADABLE_MESSAGE, f"the data is not zstd: {error}", field="data") from None
        if len(body) > MAX_UNPACKED_BYTES:
            raise _unfolds_to_too_much()
        if inflate.eof:
            break
    if not inflate.eof:
        raise Rejected(Reason.UNREADABLE_MESSAGE, "the zstd data ends early", field="data")
    if inflate.unused_data or start + _PIECE_OF_ZSTD < len(data):
        raise Rejected(Reason.UNREADABLE_MESSAGE, "the zstd data goes on after its frame", field="data")
    return bytes(body)


def _unfolds_to_too_much() -> Rejected:
    return Rejected(Reason.TOO_LARGE, f"the data unfolds to more than {MAX_UNPACKED_BYTES:,} bytes", field="data")


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {"identity": bytes, "gzip": _gunzip, "zstd": _unzstd}
