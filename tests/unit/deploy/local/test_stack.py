"""The local stack says what it lacks, and starts nothing the user has."""

import sys
from pathlib import Path

import pytest

from deploy.local.stack import LocalStack, StackError

GIVEN = {"PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:2"}


def test_what_the_environment_names_is_used_as_it_is(tmp_path: Path) -> None:
    with LocalStack(tmp_path, GIVEN) as stack:
        assert stack.environment == {"GOOGLE_CLOUD_PROJECT": "shopstream-local", **GIVEN}
    assert list(tmp_path.iterdir()) == []


def test_a_missing_emulator_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.stack._install_spatial", lambda _: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    given = {"PUBSUB_EMULATOR_HOST": GIVEN["PUBSUB_EMULATOR_HOST"]}
    with pytest.raises(StackError, match=r"bqemulator is not installed.*make setup"):
        LocalStack(tmp_path / "state", given).start()


def test_an_emulator_that_dies_while_starting_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.stack._install_spatial", lambda _: None)
    monkeypatch.setattr("deploy.local.stack.beside_python", lambda _: Path("/bin/false"))
    given = {"PUBSUB_EMULATOR_HOST": GIVEN["PUBSUB_EMULATOR_HOST"]}
    with pytest.raises(StackError, match=r"ended with status 1 while starting; see .*bigquery\.log"):
        LocalStack(tmp_path, given).start()
