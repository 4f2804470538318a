"""Bounds: a rule's own, learned from what was usual, or set; and what a value means within them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.pipeline.quality import FEWEST_RESULTS, learned, set_bounds
from shopstream.schemas import EVENT_TYPES, SettingsError
from shopstream.schemas.bigquery_schema import columns_of
from shopstream.schemas.quality import RULES, Rule

SHARE = Rule("share", "a share", "SELECT 1 AS value", least=0.5, is_learnable=True)


@pytest.mark.parametrize(
    ("rule", "value", "verdict"),
    [
        (SHARE, 0.5, "ok"),
        (SHARE, 0.49, "breach"),
        (SHARE, None, "unknown"),
        (Rule("r", "m", "s", most=2), 2.0, "ok"),
        (Rule("r", "m", "s", most=2), 2.1, "breach"),
        (Rule("r", "m", "s", least=1, most=2), 0.9, "breach"),
        (Rule("r", "m", "s"), 1e9, "ok"),
    ],
)
def test_a_value_is_good_within_its_bounds_and_unknown_without_one(
    rule: Rule, value: float | None, verdict: str
) -> None:
    assert rule.verdict(value) == verdict


def test_what_was_usual_becomes_the_bound_and_one_wild_value_does_not_move_it() -> None:
    usual = [0.9, 0.91, 0.92] * 5
    rule = learned(SHARE, usual)
    assert (rule.threshold, rule.most) == ("learned", None)
    assert rule.least == pytest.approx(0.91 - 0.091)
    assert learned(SHARE, [*usual, 0.0]).least == pytest.approx(rule.least or 0, abs=0.01)


@given(st.lists(st.floats(0, 1e6), min_size=FEWEST_RESULTS, max_size=60))
def test_half_of_what_was_learned_from_is_always_within_the_bounds(values: list[float]) -> None:
    rule = learned(Rule("r", "m", "s", least=0, most=1, is_learnable=True), values)
    within = [value for value in values if rule.verdict(value) == "ok"]
    assert len(within) * 2 >= len(values)


def test_bounds_are_set_by_name() -> None:
    text = "freshness.search<=30,volume.order>=0.5,volume.order<=4"
    assert set_bounds(text) == {"freshness.search": (None, 30.0), "volume.order": (0.5, 4.0)}
    assert set_bounds("") == {}


@pytest.mark.parametrize("text", ["freshness.search", "freshness.search<=soon", "fresh<=3", "volume.order=3"])
def test_a_wrong_list_of_bounds_is_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match="QUALITY_THRESHOLDS: "):
        set_bounds(text)


def test_every_rule_bounds_something_and_reads_some_days_only() -> None:
    for name, rule in RULES.items():
        assert rule.least is not None or rule.most is not None, name
        assert "@now" in rule.statement, name


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_rule_of_a_field_names_a_field(event_type: str) -> None:
    model = EVENT_TYPES[event_type]
    columns = {column["name"] for column in columns_of(model)}
    assert {rule.field for rule in model.quality} <= columns
