"""The command's face: what cannot work is one sentence and an exit status."""

import sys

import pytest

from shopstream.ml_features.cli import main

ENVIRONMENT = {"GOOGLE_CLOUD_PROJECT": "shopstream-local", "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("changed", "arguments", "answer"),
    [
        ({"GOOGLE_CLOUD_PROJECT": ""}, ["profile", "u1"], (2, "GOOGLE_CLOUD_PROJECT is not set")),
        ({"REDIS_ENABLED": "true"}, ["profile", "u1"], (2, "not served from Redis yet")),
        ({"REDIS_ENABLED": "perhaps"}, ["doctor"], (2, "REDIS_ENABLED has a value it does not accept")),
        ({}, ["run", "hobbies", "--as-of", "2026-03-31"], (2, "'hobbies' is no feature table")),
        ({}, ["backfill", "--from", "2026-03-31", "--to", "2026-03-30"], (2, "--to is a day before --from")),
        ({}, ["run", "--as-of", "yesterday"], (2, "yesterday")),
        ({}, ["reorders", "u1", "--k", "0"], (2, "--k")),
        ({}, ["profile", "u1"], (75, "BigQuery does not answer")),
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
