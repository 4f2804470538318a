import json
from pathlib import Path
from typing import Any

import pytest

from shopstream.pipeline.alerts.rules import DEFAULT_RULES, read_rules
from shopstream.schemas import SettingsError


def test_without_a_file_the_usual_rules_count() -> None:
    assert read_rules(None) is DEFAULT_RULES


def test_a_file_says_what_counts(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(
        json.dumps(
            {
                "rules": [{"name": "prices", "kind": "price_moves", "percent": 5, "severity": "critical"}],
                "quiet_hours": {"begin": "22:00", "end": "07:00", "timezone": "Europe/Berlin"},
            }
        )
    )
    (rule,) = read_rules(str(file)).rules
    assert (rule.kind, rule.severity, rule.repeat_minutes) == ("price_moves", "critical", 240)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"rules": [{"name": "a", "kind": "nonsense"}]}, "rules.0"),
        ({"rules": [{"name": "a", "kind": "price_moves", "percent": 0}]}, "rules.0.price_moves.percent"),
        ({"rules": [{"name": "a", "kind": "price_moves", "pct": 1}]}, "rules.0.price_moves.pct"),
        ({"rules": [{"name": "a", "kind": "price_moves"}] * 2}, "the rule 'a' is there twice"),
        ({"rules": [], "quiet_hours": {"begin": "22:00", "end": "22:00"}}, "begin and end are the same"),
        ({"rules": [], "quiet_hours": {"begin": "22:00", "end": "07:00", "timezone": "Mars/Base"}}, "no time zone"),
        ({"rules": [], "quiet_hours": {"begin": "22:00", "end": "07:00", "timezone": "../etc"}}, "no time zone"),
        ([], "the file"),
    ],
    ids=["kind", "percent", "unknown", "twice", "no span", "no place", "a path", "no object"],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, rules: Any, said: str) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(json.dumps(rules))
    with pytest.raises(SettingsError) as refused:
        read_rules(str(file))
    assert "ALERT_RULES_FILE" in str(refused.value)
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_rules(str(tmp_path / "none.json"))
