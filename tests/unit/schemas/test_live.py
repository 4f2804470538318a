"""Live features do not depend on the order in which things arrive, nor on how often."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shopstream.schemas.live.purchase_lines import PurchaseLine, kept_lines
from shopstream.schemas.live.reorders import Rhythms, next_in_days, reorders
from shopstream.schemas.live.session_counts import SessionCounts, cart_of, count_in
from shopstream.schemas.structs import STRUCTS, EventStruct

NOW = datetime(2026, 3, 31, tzinfo=UTC)
NO_RHYTHMS = Rhythms({})


class Weights(dict[str, float]):
    """A weight of 0 for every input, but for those given."""

    def __missing__(self, key: str) -> float:
        return 0.0


LINES = st.lists(
    st.builds(
        PurchaseLine,
        product_id=st.sampled_from(["milk", "bread", "tea"]),
        category=st.sampled_from([None, "dairy", "dry"]),
        order_id=st.sampled_from(["o1", "o2", "o3"]),
        status=st.sampled_from(["placed", "placed", "returned", "cancelled"]),
        ordered_at=st.integers(-400, 3).map(lambda days: NOW + timedelta(days=days)),
        quantity=st.sampled_from([1.0, 2.0]),
    ),
    max_size=12,
    unique_by=lambda line: (line.product_id, line.order_id, line.status, line.ordered_at),
)


@given(LINES, st.randoms())
def test_lines_count_once_in_whatever_order(lines: list[PurchaseLine], random: Any) -> None:
    again = lines + random.sample(lines, len(lines) // 2)
    random.shuffle(again)
    assert kept_lines(again, NOW) == kept_lines(lines, NOW)
    weights = {7: Weights(), 30: Weights(purchases_log=1.0)}
    assert reorders("u", again, NOW, NO_RHYTHMS, weights) == reorders("u", lines, NOW, NO_RHYTHMS, weights)


@given(LINES)
def test_what_is_kept_was_placed_within_the_year_and_not_taken_back(lines: list[PurchaseLine]) -> None:
    for kept in kept_lines(lines, NOW):
        same = [
            line
            for line in lines
            if (line.product_id, line.order_id) == (kept.product_id, kept.order_id)
            and timedelta(0) < NOW - line.ordered_at <= timedelta(days=365)
        ]
        assert sum(line.quantity if line.status == "placed" else -line.quantity for line in same) > 0
        assert kept.ordered_at == min(line.ordered_at for line in same if line.status == "placed")
        assert 0 < kept.age_days <= 365


def bought(product: str, *days: float) -> list[PurchaseLine]:
    return [PurchaseLine(product, None, f"o{day}", "placed", NOW - timedelta(days=day), 1.0) for day in days]


def test_a_tie_goes_to_what_was_bought_last_then_to_the_smaller_product_id() -> None:
    lines = [*bought("tea", 3), *bought("bread", 3), *bought("milk", 9)]
    found = reorders("u", lines, NOW, NO_RHYTHMS, {7: Weights(), 30: Weights()}, most=2)
    assert [(each.rank, each.product_id) for each in found] == [(1, "bread"), (2, "tea")]


def test_nothing_bought_is_nothing_to_reorder() -> None:
    assert reorders("u", [], NOW, NO_RHYTHMS, {}) == []


def test_the_days_follow_from_both_chances() -> None:
    early, middle, late = next_in_days(0.0, -1.5)
    assert early is not None
    assert middle is not None
    assert late is not None
    assert 0 < early < middle < late
    # A chance of one half within 30 days is a median of 30 days.
    assert abs(middle - 30) < 1e-9
    assert next_in_days(-9.0, -12.0)[2] is None


def event(number: int, minutes: int, kind: str, product: str, quantity: int | None) -> EventStruct:
    fields: dict[str, Any] = {
        "event_id": f"00000000-0000-7000-8000-{number:012}",
        "occurred_at": NOW + timedelta(minutes=minutes),
        "schema_version": 1,
        "source": "shop",
        "event_type": "interaction",
    }
    if kind == "order":
        items = [{"product_id": product, "quantity": "1", "unit_price": "1"}]
        fields |= {"event_type": "order", "order_id": "o", "status": "placed", "items": items}
        fields |= {"currency": "EUR", "total_amount": "1"}
    elif kind == "search":
        fields |= {"event_type": "search", "query_id": "q", "query": "milk"}
    else:
        fields |= {"action": kind, "product_id": product}
        fields |= {} if quantity is None else {"quantity": str(quantity)}
    return msgspec.convert(fields, STRUCTS[fields["event_type"]], strict=False)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from(["view", "click", "cart_add", "cart_add", "cart_remove", "impression", "order", "search"]),
        st.sampled_from(["milk", "tea"]),
        st.sampled_from([None, 1, 3]),
    ),
    min_size=1,
    max_size=15,
)


def counted(events: list[EventStruct]) -> SessionCounts | None:
    found: SessionCounts | None = None
    for each in events:
        found = count_in(found, each)
        if found is not None:  # as a job's state keeps it
            found = msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=SessionCounts)
    return found


@given(STEPS, st.randoms())
def test_a_session_counts_an_event_once_in_whatever_order(steps: list[Any], random: Any) -> None:
    events = [event(number, *step) for number, step in enumerate(steps)]
    again = events + random.sample(events, len(events) // 2)
    random.shuffle(again)
    first, second = counted(events), counted(again)
    if first is None or second is None:
        assert first is second
        assert {step[1] for step in steps} == {"impression"}
        return
    assert (first.started_at, first.ended_at, first.counts) == (second.started_at, second.ended_at, second.counts)
    assert cart_of(first) == cart_of(second)
    assert len(first.seen) == len(second.seen) == sum(step[1] != "impression" for step in steps)


def test_an_order_empties_the_cart_and_tests_are_no_steps() -> None:
    events = [
        event(1, 1, "cart_add", "milk", 3),
        event(2, 2, "order", "milk", None),
        event(3, 3, "cart_add", "tea", None),
    ]
    found = counted(events)
    assert found is not None
    assert [(line.product_id, line.quantity) for line in cart_of(found)] == [("tea", Decimal(1))]
    of_a_test = event(4, 4, "click", "tea", None)
    of_a_test.traffic = "test"
    assert count_in(found, of_a_test) is found
    assert len(found.seen) == 3
