"""When people are told: once, not again too soon, never too often, and not at night; nothing is forgotten."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shopstream.pipeline.alerts.plan import Finding, Message, Plan, plan
from shopstream.pipeline.alerts.rules import AlertRules, PriceMoves, QualityBreaks, QuietHours
from shopstream.schemas.alert import AlertChannel, AlertStep, Severity

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOTH: tuple[AlertChannel, ...] = ("topic", "webhook")
RULES = AlertRules(
    rules=(
        PriceMoves(name="prices", kind="price_moves", messages_an_hour=3, repeat_minutes=240),
        QualityBreaks(name="late", kind="quality_breaks", patterns=("freshness.*",), severity="critical"),
    )
)


def price(product: str, occurrence: str = "", severity: Severity = "warning") -> Finding:
    return Finding("prices", product, severity, 12.0, 10.0, f"{product} moved", occurrence)


@dataclass
class People:
    """Carries plans out, as `watch` does, with channels that may not answer."""

    rules: AlertRules = RULES
    channels: tuple[AlertChannel, ...] = ("webhook",)
    steps: list[AlertStep] = field(default_factory=list)
    heard: list[tuple[datetime, Message]] = field(default_factory=list)

    def look(
        self, findings: Sequence[Finding], now: datetime, *, silent: Sequence[AlertChannel] = ()
    ) -> tuple[Plan, list[Message]]:
        made = plan(self.steps, findings, self.rules, self.channels, now)
        self.steps += made.steps
        sent = [message for message in made.messages if message.channel not in silent]
        for message in sent:
            self.steps += message.told(now)
            self.heard.append((now, message))
        return made, sent


def texts(messages: Sequence[Message]) -> list[str]:
    return [each.finding.text for message in messages for each in message.alerts]


def test_what_holds_is_told_once_to_each_channel() -> None:
    people = People(channels=BOTH)
    _, first = people.look([price("tea")], NOON)
    assert [(message.channel, texts([message])) for message in first] == [
        ("topic", ["tea moved"]),
        ("webhook", ["tea moved"]),
    ]
    assert first[0].message_id == first[1].message_id
    for minute in range(1, 600):
        assert people.look([price("tea")], NOON + timedelta(minutes=minute))[1] == []


def test_a_channel_that_did_not_answer_is_tried_again_and_the_other_is_not() -> None:
    people = People(channels=BOTH)
    _, first = people.look([price("tea")], NOON, silent=["webhook"])
    _, then = people.look([price("tea")], NOON + timedelta(seconds=30))
    assert [message.channel for message in first] == ["topic"]
    assert [message.channel for message in then] == ["webhook"]
    assert first[0].message_id == then[0].message_id


def test_what_ends_and_comes_back_is_told_again_only_after_a_while() -> None:
    people = People()
    people.look([price("tea")], NOON)
    gone, _ = people.look([], NOON + timedelta(minutes=1))
    assert [step.step for step in gone.steps] == ["ended"]
    back, sent = people.look([price("tea")], NOON + timedelta(minutes=2))
    assert [step.step for step in back.steps] == ["opened"]
    assert sent == []
    assert people.look([price("tea")], NOON + timedelta(minutes=239))[1] == []
    assert texts(people.look([price("tea")], NOON + timedelta(minutes=240))[1]) == ["tea moved"]


def test_two_moves_of_one_product_are_two_alerts_and_one_message() -> None:
    people = People()
    made, sent = people.look([price("tea", "first"), price("tea", "second")], NOON)
    assert len(made.steps) == 2
    assert [len(message.alerts) for message in sent] == [2]


def test_more_than_may_be_told_in_an_hour_are_gathered_in_the_last_message() -> None:
    people = People()
    _, sent = people.look([price(f"product {n}") for n in range(50)], NOON)
    assert [len(message.alerts) for message in sent] == [1, 1, 48]
    later = [price(f"product {n}") for n in range(60)]
    made, sent = people.look(later, NOON + timedelta(minutes=59))
    assert sent == []
    assert made.waiting == 10
    _, sent = people.look(later, NOON + timedelta(minutes=60))
    assert [len(message.alerts) for message in sent] == [1, 1, 8]


def test_ten_thousand_moves_of_flapping_prices_make_at_most_the_stated_number_of_messages() -> None:
    people = People(channels=BOTH)
    for look in range(30):
        moves = [price(f"product {n}", f"{look}/{n}") for n in range(700) if (look + n) % 2]
        people.look(moves, NOON + timedelta(minutes=6 * look))
    assert sum(step.step == "opened" for step in people.steps) == 10_500
    per_channel = Counter(message.channel for _, message in people.heard)
    # Three an hour, for three hours.
    assert set(per_channel) == set(BOTH)
    assert max(per_channel.values()) <= 9
    told = {each.finding.subject for _, message in people.heard for each in message.alerts}
    assert len(told) == 700


def test_at_night_only_what_is_critical_is_told_and_the_rest_in_the_morning() -> None:
    rules = RULES.model_copy(update={"quiet_hours": QuietHours(begin=time(22), end=time(7), timezone="Europe/Berlin")})
    people = People(rules=rules)
    night = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    late = Finding("late", "freshness.search", "critical", 90, 30, "searches are late")
    made, sent = people.look([price("tea"), late], night)
    assert texts(sent) == ["searches are late"]
    assert made.waiting == 1
    # In Berlin it is 6:59, then 7:00.
    assert people.look([price("tea"), late], datetime(2026, 11, 23, 5, 59, tzinfo=UTC))[1] == []
    assert texts(people.look([price("tea"), late], datetime(2026, 11, 23, 6, 0, tzinfo=UTC))[1]) == ["tea moved"]


def test_what_was_over_before_morning_is_not_told() -> None:
    people = People(rules=RULES.model_copy(update={"quiet_hours": QuietHours(begin=time(10), end=time(14))}))
    people.look([price("tea")], NOON)
    people.look([], NOON + timedelta(hours=1))
    assert people.look([], NOON + timedelta(hours=3))[1] == []


looks = st.lists(
    st.tuples(
        st.integers(1, 90),
        st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", "x", "y"])), max_size=8),
        st.sets(st.sampled_from(BOTH)),
    ),
    max_size=30,
)


@given(looks)
@settings(max_examples=100, deadline=None)
def test_whatever_happens_bounds_hold_and_nothing_that_stays_is_forgotten(
    story: list[tuple[int, set[tuple[str, str]], set[AlertChannel]]],
) -> None:
    people, now = People(channels=BOTH), NOON
    for minutes, found, silent in story:
        now += timedelta(minutes=minutes)
        people.look([price(*each) for each in sorted(found)], now, silent=sorted(silent))
    for channel in BOTH:
        heard = [(at, message) for at, message in people.heard if message.channel == channel]
        for at, _ in heard:
            assert sum(timedelta(0) <= at - other < timedelta(hours=1) for other, _ in heard) <= 3
        alerts = [each.alert_id for _, message in heard for each in message.alerts]
        assert len(alerts) == len(set(alerts))
        by_subject: dict[str, list[datetime]] = {}
        for at, message in heard:
            for subject in {each.finding.subject for each in message.alerts}:
                by_subject.setdefault(subject, []).append(at)
        for moments in by_subject.values():
            assert all(b - a >= timedelta(minutes=240) for a, b in pairwise(moments))
    # What is found from now on, however long nobody answered, is told in the end.
    last = [price("f", "last")]
    for hour in range(10):
        people.look(last, now + timedelta(hours=hour))
    assert {message.channel for _, message in people.heard if "f moved" in texts([message])} == set(BOTH)


@given(looks)
@settings(max_examples=100, deadline=None)
def test_the_same_steps_make_the_same_plan_in_any_order(
    story: list[tuple[int, set[tuple[str, str]], set[AlertChannel]]],
) -> None:
    people, now = People(), NOON
    for minutes, found, silent in story:
        now += timedelta(minutes=minutes)
        people.look([price(*each) for each in sorted(found)], now, silent=sorted(silent))
    now += timedelta(minutes=1)
    found_now = [price("a"), price("b", "x")]
    forwards = plan(people.steps, found_now, RULES, BOTH, now)
    backwards = plan(list(reversed(people.steps)), found_now, RULES, BOTH, now)
    assert (set(forwards.steps), set(forwards.messages)) == (set(backwards.steps), set(backwards.messages))
