"""A message becomes lines, or a failed event that says why."""

from datetime import UTC, datetime

import pytest
import zstandard

from shopstream.pipeline.arrival import Delivered, Delivery
from shopstream.pipeline.decode import decode
from shopstream.schemas import FailedEvent, Reason, Rejected, Stage, pack
from shopstream.schemas.message import FAILED_EVENT

NOW = datetime(2026, 11, 20, tzinfo=UTC)
EVENT_ID = "00000000-0000-7000-8000-000000000001"


def message(data: bytes, **attributes: str) -> Delivered:
    return Delivered(data, Delivery("m-1", attributes, NOW))


def zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(body)


def test_a_packed_message_gives_its_lines_in_order() -> None:
    packed = pack("search", [b'{"n":%d}' % number for number in range(1000)])
    assert packed.attributes["content_encoding"] == "gzip"
    outcome = decode(message(packed.data, **packed.attributes), NOW)
    assert [line.payload for line in outcome.done] == [b'{"n":%d}' % number for number in range(1000)]
    assert [line.index for line in outcome.done] == list(range(1000))
    assert outcome.failed == []


def test_a_message_may_be_compressed_with_zstd() -> None:
    lines = [b'{"n":%d}' % number for number in range(5000)]
    outcome = decode(message(zstd(b"\n".join(lines)), content_encoding="zstd"), NOW)
    assert [line.payload for line in outcome.done] == lines
    assert outcome.failed == []


@pytest.mark.parametrize("with_size", [True, False])
def test_a_small_message_of_zstd_that_unfolds_to_gigabytes_is_not_unfolded(*, with_size: bool) -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=with_size)
    bomb = compressor.compress(bytes(200 * 1024 * 1024))
    assert len(bomb) < 50_000
    (failure,) = decode(message(bomb, content_encoding="zstd"), NOW).failed
    assert failure.reason is Reason.TOO_LARGE


def test_a_foreign_message_of_one_event_needs_no_attributes() -> None:
    assert [line.payload for line in decode(message(b'{"a":\r1}'), NOW).done] == [b'{"a":\r1}']


@pytest.mark.parametrize(
    ("data", "attributes", "field"),
    [
        (b"not gzip", {"content_encoding": "gzip"}, "data"),
        (pack("search", [b"x" * 4000]).data[:-9], {"content_encoding": "gzip"}, "data"),
        (b"not zstd", {"content_encoding": "zstd"}, "data"),
        (b"", {"content_encoding": "zstd"}, "data"),
        (zstd(b"x" * 4000)[:-3], {"content_encoding": "zstd"}, "data"),
        (zstd(b"x") + b"more", {"content_encoding": "zstd"}, "data"),
        (zstd(b"x") + zstd(b"y" * 5000), {"content_encoding": "zstd"}, "data"),
        (b"{}", {"content_encoding": "br"}, "attributes.content_encoding"),
        (b"", {}, None),
        (b"\n \n", {}, None),
    ],
)
def test_what_cannot_be_unpacked_fails_as_a_whole(data: bytes, attributes: dict[str, str], field: str | None) -> None:
    outcome = decode(message(data, **attributes), NOW)
    (failure,) = outcome.failed
    assert outcome.done == []
    assert (failure.stage, failure.reason, failure.field) == (Stage.DECODE, Reason.UNREADABLE_MESSAGE, field)
    assert (failure.message_id, failure.payload_bytes) == ("m-1", len(data))


def test_a_message_that_unfolds_to_more_than_its_limit_is_not_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopstream.schemas.message.MAX_UNPACKED_BYTES", 10_000)
    packed = pack("search", [b"x" * 20_000])
    (failure,) = decode(message(packed.data, **packed.attributes), NOW).failed
    assert failure.reason is Reason.TOO_LARGE


def test_a_message_delivered_again_fails_under_the_same_event_id() -> None:
    first, second = (decode(message(b"", count="1"), NOW).failed[0] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("count", ["1", "3", "two", ""])
def test_lines_that_are_not_as_many_as_promised_go_on_and_the_difference_is_a_failed_event(count: str) -> None:
    body = b'{"event_id":"%b"}\n{"event_id":"%b"}' % (EVENT_ID.encode(), EVENT_ID.encode())
    outcome = decode(message(body, count=count), NOW)
    assert len(outcome.done) == 2
    (failure,) = outcome.failed
    assert (failure.stage, failure.reason, failure.field) == (
        Stage.DECODE,
        Reason.ATTRIBUTE_MISMATCH,
        "attributes.count",
    )
    assert (failure.event_id != EVENT_ID, failure.payload, failure.message_id) == (True, "", "m-1")


def test_what_capture_refused_arrives_as_it_failed() -> None:
    refused = FailedEvent.of(
        Stage.CAPTURE,
        Rejected(Reason.MISSING_FIELD, "query is missing", field="query"),
        b'{"user_id": "u-1"}',
        NOW,
        otherwise=EVENT_ID,
    )
    packed = pack(FAILED_EVENT, [refused.model_dump_json().encode(), b"{}"])
    kept, broken = decode(message(packed.data, **packed.attributes), NOW).failed
    assert (kept.event_id, kept.stage, kept.field, kept.user_id) == (EVENT_ID, Stage.CAPTURE, "query", "u-1")
    assert (kept.received_at, kept.message_id) == (NOW, "m-1")
    assert (broken.stage, broken.reason) == (Stage.DECODE, Reason.UNREADABLE_MESSAGE)
