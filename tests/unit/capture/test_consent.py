"""Whose word counts, in which order, and what happens when nobody answers."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.capture.consent import Consents

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def consents(
    lookup: Callable[[str], bool | None] | None = None, *, otherwise: bool = True, most_users: int = 100
) -> Consents:
    return Consents(lookup, otherwise=otherwise, most_users=most_users)


@pytest.mark.parametrize("otherwise", [True, False])
def test_what_nobody_knows_is_the_default(otherwise: bool) -> None:
    nothing = consents(otherwise=otherwise)
    assert nothing.allows("u-1", None) is otherwise
    assert nothing.allows(None, None) is otherwise


@pytest.mark.parametrize("stated", [True, False])
def test_the_request_has_the_first_word(stated: bool) -> None:
    heard = consents(lambda _: not stated, otherwise=not stated)
    heard.note("u-1", "analytics", not stated, NOON)
    assert heard.allows("u-1", stated) is stated
    assert heard.allows(None, stated) is stated


def test_then_comes_the_event_that_passed_then_the_record() -> None:
    heard = consents(lambda user_id: user_id == "recorded", otherwise=False)
    heard.note("heard", "analytics", True, NOON)
    assert [heard.allows(user_id, None) for user_id in ("heard", "recorded", "other")] == [True, True, False]


def test_an_event_of_another_purpose_says_nothing() -> None:
    heard = consents()
    heard.note("u-1", "personalization", False, NOON)
    assert heard.allows("u-1", None)


@given(st.permutations([(0, True), (1, False), (2, True), (3, False), (3, True)]))
def test_the_latest_decision_counts_in_whatever_order_they_pass_and_of_two_at_once_the_refusal(
    decisions: list[tuple[int, bool]],
) -> None:
    heard = consents()
    for minutes, granted in decisions:
        heard.note("u-1", "analytics", granted, NOON + timedelta(minutes=minutes))
    assert not heard.allows("u-1", None)
    heard.note("u-1", "analytics", True, NOON + timedelta(minutes=4))
    assert heard.allows("u-1", None)


def test_a_full_memory_forgets_what_the_default_says_anyway_before_it_forgets_a_refusal() -> None:
    heard = consents(otherwise=True, most_users=3)
    heard.note("no", "analytics", False, NOON)
    for number in range(50):
        heard.note(f"yes-{number}", "analytics", True, NOON)
    assert not heard.allows("no", None)
    assert len(heard._granted) + len(heard._denied) == 3
    for number in range(50):
        heard.note(f"no-{number}", "analytics", False, NOON)
    assert len(heard._granted) + len(heard._denied) == 3
    assert [heard.allows(f"no-{number}", None) for number in (46, 47, 48, 49)] == [True, False, False, False]


def test_a_record_that_fails_is_unknown_and_told_of() -> None:
    failures: list[int] = []

    def broken(_: str) -> bool:
        raise TimeoutError

    heard = Consents(broken, otherwise=False, most_users=3, failed=lambda: failures.append(1))
    assert not heard.allows("u-1", None)
    assert len(failures) == 1


@pytest.mark.parametrize("nonsense", [1, "yes", [], object()])
def test_an_answer_that_is_no_answer_is_unknown(nonsense: object) -> None:
    heard = consents(lambda _: nonsense, otherwise=False)  # type: ignore[arg-type, return-value]
    assert not heard.allows("u-1", None)


def test_an_answer_is_asked_for_once_in_its_time() -> None:
    asked: list[str] = []
    now = [0.0]

    def lookup(user_id: str) -> bool | None:
        asked.append(user_id)
        return {"yes": True, "no": False}.get(user_id)

    heard = Consents(lookup, otherwise=True, most_users=2, clock=lambda: now[0], lookup_seconds=60)
    for _ in range(5):
        assert [heard.allows(user_id, None) for user_id in ("yes", "no")] == [True, False]
    assert asked == ["yes", "no"]
    now[0] = 60.0
    heard.allows("yes", None)
    assert asked == ["yes", "no", "yes"]
    for number in range(50):
        heard.allows(f"u-{number}", None)
    assert len(heard._answers) == 2


def test_threads_that_note_and_ask_at_once_end_with_the_latest_decision() -> None:
    heard = consents(most_users=10)
    start = threading.Barrier(8)

    def work(offset: int) -> None:
        start.wait()
        for number in range(offset, 4_000, 8):
            heard.note("u-1", "analytics", number % 2 == 0, NOON + timedelta(seconds=number))
            heard.note(f"u-{number}", "analytics", True, NOON)
            heard.allows("u-1", None)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not heard.allows("u-1", None)  # Number 3999.
    assert len(heard._granted) + len(heard._denied) <= 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_the_lock_is_held_goes_on_with_what_its_parent_knew() -> None:
    heard = consents()
    heard.note("u-1", "analytics", False, NOON)
    with heard._lock:
        child = os.fork()
        if child == 0:
            heard.note("u-2", "analytics", False, NOON)
            os._exit(heard.allows("u-1", None) or heard.allows("u-2", None))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
