"""What crosses between workers comes out as it went in."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shopstream.pipeline.arrival import Delivery, Line, Row
from shopstream.pipeline.packed import pack_lines, pack_rows, unpack_lines, unpack_rows

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DELIVERIES = [Delivery(f"m-{n}", {"count": str(n)} if n else {}, NOW + timedelta(microseconds=n)) for n in range(3)]
PAYLOADS = st.binary(max_size=20).filter(lambda payload: b"\n" not in payload)
LINES = st.builds(Line, PAYLOADS, st.integers(0, 2**40), st.sampled_from(DELIVERIES))
ROWS = st.builds(
    Row, st.text(max_size=5), st.text(max_size=5), st.datetimes(timezones=st.just(UTC)), st.binary(max_size=20), LINES
)


@given(st.lists(LINES, max_size=20))
def test_lines(lines: list[Line]) -> None:
    assert unpack_lines(pack_lines(lines)) == lines


@given(st.lists(ROWS, max_size=20))
def test_rows(rows: list[Row]) -> None:
    assert unpack_rows(pack_rows(rows)) == rows


def test_what_lines_of_a_message_share_is_written_once() -> None:
    delivery = Delivery("m", {"long": "x" * 10_000}, NOW)
    assert len(pack_lines([Line(b"{}", n, delivery) for n in range(500)])) < 20_000
