"""When a message is done, whatever the order in which news of it comes."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shopstream.pipeline.open_messages import FORGET_AFTER, Messages, News, OpenMessages, settle

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@given(lines=st.lists(st.integers(1, 8), min_size=1, max_size=5), deliveries=st.integers(1, 3), seed=st.integers())
def test_a_message_is_acknowledged_once_all_its_lines_have_met_their_fate(
    lines: list[int], deliveries: int, seed: int
) -> None:
    random = Random(seed)
    news = [
        each
        for message, count in enumerate(lines)
        for delivery in range(deliveries)
        for each in (
            News(f"m{message}", f"a{message}-{delivery}", count),
            *(News(f"m{message}", settled=[index]) for index in range(count)),
        )
    ]
    random.shuffle(news)
    messages: Messages = {}
    settled: dict[str, set[int]] = {}
    acknowledged: list[str] = []
    for each in news:
        settled.setdefault(each.message_id, set()).update(each.settled)
        for ack_id in settle(messages, [each], NOW):
            message = int(ack_id[1:].split("-")[0])
            assert settled[f"m{message}"] == set(range(lines[message]))
            acknowledged.append(ack_id)
    assert len(set(acknowledged)) == len(acknowledged)
    assert {ack_id.split("-")[0] for ack_id in acknowledged} == {f"a{message}" for message in range(len(lines))}


def test_a_message_delivered_once_leaves_nothing_behind() -> None:
    messages: Messages = {}
    assert settle(messages, [News("m", settled=[1]), News("m", "a", 2)], NOW) == []
    assert settle(messages, [News("m", settled=[0, 1])], NOW) == ["a"]
    assert messages == {}


def test_a_message_without_lines_is_done_at_once() -> None:
    messages: Messages = {}
    assert settle(messages, [News("m", "a", 0)], NOW) == ["a"]
    assert messages == {}


def test_two_deliveries_that_come_together_are_both_done() -> None:
    messages: Messages = {}
    assert settle(messages, [News("m", settled=[0]), News("m", settled=[0])], NOW) == []
    assert settle(messages, [News("m", "a", 1), News("m", "b", 1)], NOW) == ["a", "b"]
    assert messages == {}


def test_what_is_never_done_is_forgotten() -> None:
    messages: Messages = {}
    settle(messages, [News("m", "a", 2)], NOW)
    settle(messages, [News("n", "b", 2)], NOW + FORGET_AFTER + timedelta(seconds=1))
    assert list(messages) == ["n"]


def test_what_was_pulled_is_held_until_it_is_done_or_an_hour_has_gone() -> None:
    opened = OpenMessages()
    opened.hold(["a", "b"], NOW)
    assert opened.held(NOW) == ["a", "b"]
    assert opened.settle([News("m", "a", 1), News("m", settled=[0])], NOW) == ["a"]
    assert opened.held(NOW + FORGET_AFTER) == ["b"]
    assert opened.held(NOW + FORGET_AFTER + timedelta(seconds=1)) == []
