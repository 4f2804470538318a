"""Who sees what."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import chisquare

from shopstream.schemas import SettingsError
from shopstream.schemas.experiment import Experiment, assigned, read_experiments

FIELDS: dict[str, Any] = {
    "name": "reorders",
    "salt": "reorders-2026-11",
    "variants": [{"name": "formula"}, {"name": "model"}],
    "planned_users": 1000,
    "starts_on": "2026-11-01",
}
USERS = [f"u-{number}" for number in range(20_000)]


def experiment(**fields: Any) -> Experiment:
    return Experiment.model_validate(FIELDS | fields)


def test_a_user_sees_the_same_variant_in_every_service_and_at_every_time() -> None:
    seen = [assigned(experiment(), user) for user in USERS[:6]]
    assert seen == ["formula", "model", "formula", "model", "formula", "model"]


def test_users_are_dealt_out_by_weight() -> None:
    weighted = experiment(variants=[{"name": "a", "weight": 2}, {"name": "b"}, {"name": "c"}])
    counted = Counter(assigned(weighted, user) for user in USERS)
    assert chisquare([counted["a"], counted["b"], counted["c"]], [10_000, 5_000, 5_000]).pvalue > 0.01


def test_letting_more_users_in_moves_nobody() -> None:
    few, many = experiment(share=0.2), experiment(share=0.6)
    in_few = {user: assigned(few, user) for user in USERS if assigned(few, user) is not None}
    assert len(in_few) == pytest.approx(4000, abs=150)
    assert {user: assigned(many, user) for user in in_few} == in_few


def test_two_experiments_deal_users_out_independently() -> None:
    other = experiment(salt="another")
    together = Counter((assigned(experiment(), user), assigned(other, user)) for user in USERS)
    assert chisquare(list(together.values())).pvalue > 0.01


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"variants": [{"name": "a"}]}, "0.variants: Tuple should have at least 2 items"),
        ({"variants": [{"name": "a"}, {"name": "a"}]}, "the variant 'a' is there twice"),
        ({"variants": [{"name": "a", "weight": 0}, {"name": "b"}]}, "0.variants.0.weight: "),
        ({"share": 0}, "0.share: "),
        ({"ends_on": "2026-10-01"}, "ends_on is before starts_on"),
        ({"surprise": 1}, "0.surprise: Extra inputs"),
    ],
)
def test_a_wrong_experiment_is_told_with_its_field(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    file = tmp_path / "experiments.json"
    file.write_text(json.dumps([FIELDS | fields]))
    with pytest.raises(SettingsError, match=message) as told:
        read_experiments(file)
    assert str(file) in str(told.value)


def test_experiments_are_read_by_name_and_each_once(tmp_path: Path) -> None:
    file = tmp_path / "experiments.json"
    file.write_text(json.dumps([FIELDS, FIELDS | {"name": "other"}]))
    found = read_experiments(file)
    assert list(found) == ["reorders", "other"]
    assert found["reorders"].starts_on == date(2026, 11, 1)
    assert found["reorders"].control.name == "formula"
    file.write_text(json.dumps([FIELDS, FIELDS]))
    with pytest.raises(SettingsError, match="the experiment 'reorders' is there twice"):
        read_experiments(file)


@pytest.mark.parametrize("text", ["", "{", "7"])
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "experiments.json"
    file.write_text(text)
    with pytest.raises(SettingsError):
        read_experiments(file)
    with pytest.raises(SettingsError, match="nowhere"):
        read_experiments(tmp_path / "nowhere.json")
