"""Every item is done or failed, never both, never neither."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.pipeline.arrival import Delivery, Line
from shopstream.pipeline.outcome import each
from shopstream.schemas import Reason, Rejected, Stage

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def lines(payloads: list[bytes]) -> list[Line]:
    return [Line(payload, index, Delivery("m", {}, NOW)) for index, payload in enumerate(payloads)]


@given(st.lists(st.binary(max_size=4)))
def test_a_bad_item_never_takes_its_neighbours_with_it(payloads: list[bytes]) -> None:
    def refuse_odd_lengths(line: Line, _: datetime) -> bytes:
        if len(line.payload) % 2:
            raise Rejected(Reason.INVALID_VALUE, "odd")
        return line.payload

    outcome = each(Stage.VALIDATE, refuse_odd_lengths)(lines(payloads), NOW)
    assert outcome.done == [payload for payload in payloads if len(payload) % 2 == 0]
    assert len(outcome.done) + len(outcome.failed) == len(payloads)
    assert len({failure.event_id for failure in outcome.failed}) == len(outcome.failed)


def test_a_bug_of_ours_is_not_a_failed_event() -> None:
    def buggy(_: Line, __: datetime) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        each(Stage.ENRICH, buggy)(lines([b"x"]), NOW)
