"""The command's face: what cannot work is one sentence and an exit status."""

import json
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from shopstream.ml_features.cli import main
from shopstream.ml_features.cli_parts import Day

ENVIRONMENT = {"GOOGLE_CLOUD_PROJECT": "shopstream-local", "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1"}


@pytest.mark.parametrize(("word", "days_ago"), [("today", 0), ("yesterday", 1)])
def test_a_day_may_be_a_word(word: str, days_ago: int) -> None:
    before = datetime.now(UTC).date()
    found = Day().convert(word, None, None)
    assert found.time() == time()
    assert before - timedelta(days=days_ago) <= found.date() <= datetime.now(UTC).date() - timedelta(days=days_ago)


def test_a_day_is_otherwise_a_date() -> None:
    assert Day().convert("2026-03-31", None, None) == datetime(2026, 3, 31)  # noqa: DTZ001 - a day has no zone


@pytest.mark.parametrize(
    ("changed", "arguments", "answer"),
    [
        ({"GOOGLE_CLOUD_PROJECT": ""}, ["profile", "u1"], (2, "GOOGLE_CLOUD_PROJECT is not set")),
        ({"REDIS_ENABLED": "true", "REDIS_URL": "http://redis"}, ["profile", "u1"], (2, "REDIS_URL has a value")),
        ({"REDIS_ENABLED": "perhaps"}, ["doctor"], (2, "REDIS_ENABLED has a value it does not accept")),
        ({}, ["run", "hobbies", "--as-of", "2026-03-31"], (2, "'hobbies' is no feature table")),
        ({}, ["backfill", "--from", "2026-03-31", "--to", "2026-03-30"], (2, "--to is a day before --from")),
        ({}, ["run", "--as-of", "last week"], (2, "last week")),
        ({}, ["run", "--as-of", "yesterday"], (75, "BigQuery does not answer")),
        ({}, ["reorders", "u1", "--k", "0"], (2, "--k")),
        ({}, ["profile", "u1"], (75, "BigQuery does not answer")),
        ({}, ["recommend", "u1"], (75, "nobody answers what u1 allows")),
        ({}, ["recommend", "u1", "--kind", "everything"], (2, "everything")),
        ({}, ["experiment", "power", "--baseline", "0.1", "--lift", "0"], (2, "no number of users finds a lift of 0")),
        ({}, ["experiment", "power", "--baseline", "2", "--lift", "0.1"], (2, "shares must lie between 0 and 1")),
        ({}, ["experiment", "assign", "e", "u", "--experiments", "none.json"], (2, "none.json")),
    ],
)
def test_what_cannot_work_is_a_sentence_and_an_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, str],
    arguments: list[str],
    answer: tuple[int, str],
) -> None:
    for name, value in {**ENVIRONMENT, "REDIS_ENABLED": "false", **changed}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("shopstream.ml_features.warehouse.ATTEMPTS", 1)
    monkeypatch.setattr(sys, "argv", ["shopstream-features", *arguments])
    status, sentence = answer
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == status
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


EXPERIMENTS = """[{"name": "reorders", "salt": "s", "variants": [{"name": "a"}, {"name": "b"}], "share": 0.5,
  "planned_users": 100, "starts_on": "2026-11-01"}]"""


def answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and output of the command."""
    monkeypatch.setattr(sys, "argv", ["shopstream-features", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    return int(exit_.value.code or 0), capsys.readouterr().out.strip()


def test_who_sees_what_and_who_does_not_take_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "experiments.json"
    file.write_text(EXPERIMENTS)
    seen = {
        answered(monkeypatch, capsys, "experiment", "assign", "reorders", f"u{n}", "--experiments", str(file))[0]
        for n in range(20)
    }
    assert seen == {0, 1}
    status, told = answered(monkeypatch, capsys, "experiment", "assign", "other", "u", "--experiments", str(file))
    assert (status, told) == (2, "")


def test_how_many_users_it_takes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = answered(monkeypatch, capsys, "experiment", "power", "--baseline", "0.1", "--lift", "0.1", "--json")
    assert status == 0
    assert json.loads(told) == {"users_of_each_looked_at_once": 14_751, "users_of_each_sequentially": 28_242}
