"""Keys of the HTTP API: made, found, ended, rotated, revoked, and read again when their file changes."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from shopstream.ml_features.api.keys import LOOK_SECONDS, KeyRing, new_key, read_keys, revoked, rotated
from shopstream.ml_features.api.settings import ApiSettings
from shopstream.schemas import SettingsError
from shopstream.schemas.http.keys import find_key
from shopstream.schemas.lookup import ApiRole
from tests.unit.capture.conftest import Clock

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HASH = "0" * 64


def ring(clock: Clock, **settings: str) -> KeyRing:
    return KeyRing(ApiSettings.model_validate(settings), lambda: NOW + timedelta(seconds=clock.seconds), clock)


@pytest.mark.parametrize(("role", "prefix"), [("read", "pk_"), ("application", "sk_"), ("admin", "ak_")])
def test_a_new_key_tells_its_role_and_is_found_by_its_text_only(role: ApiRole, prefix: str) -> None:
    text, key = new_key("shop", role, None, Random(1))
    keys = read_keys(key.line(), "here")
    assert text.startswith(prefix)
    assert find_key(keys, text) == key
    assert [find_key(keys, other) for other in ("", text[:-1], text.swapcase(), "\udcff", "a" * 10**6)] == [None] * 5
    assert text not in key.line()


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("read", ["read"]), ("application", ["read", "application"]), ("admin", ["read", "application", "admin"])],
)
def test_a_role_may_what_those_before_it_may(role: ApiRole, allowed: list[str]) -> None:
    key = new_key("shop", role, None, Random(1))[1]
    asked: tuple[ApiRole, ...] = ("read", "application", "admin")
    assert [each for each in asked if key.may(each)] == allowed


def test_a_key_ends_at_its_time(clock: Clock) -> None:
    text, key = new_key("shop", "read", NOW + timedelta(seconds=10), Random(1))
    keys = ring(clock, keys=key.line())
    clock.seconds = 9.9
    assert keys.find(text) == key
    clock.seconds = 10
    assert keys.find(text) is None


def test_while_a_key_is_rotated_both_are_good_until_the_old_one_ends(clock: Clock) -> None:
    old, key = new_key("shop", "application", None, Random(1))
    other = new_key("other", "read", None, Random(2))[1]
    new, keys = rotated([key, other], "shop", NOW + timedelta(hours=1), Random(3))
    known = ring(clock, keys=" ".join(each.line() for each in keys))
    assert [getattr(known.find(text), "role", None) for text in (old, new)] == ["application", "application"]
    clock.seconds = 3600
    assert [known.find(text) is None for text in (old, new)] == [True, False]
    assert keys[1] == other
    again = rotated(keys, "shop", NOW + timedelta(hours=2), Random(4))[1]
    assert [each.until for each in again if each.name == "shop"] == [
        NOW + timedelta(hours=1),
        NOW + timedelta(hours=2),
        None,
    ]


def test_a_revoked_key_is_gone_and_a_name_nobody_has_is_said() -> None:
    keys = [new_key(name, "read", None, Random(name))[1] for name in ("a", "b")]
    assert [key.name for key in revoked(keys, "a")] == ["b"]
    for change in (lambda: revoked(keys, "c"), lambda: rotated(keys, "c", NOW, Random(1))):
        with pytest.raises(SettingsError, match="no key is named c"):
            change()


def test_a_changed_file_is_read_within_a_second_and_a_broken_one_locks_nobody_out(clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    first, second = (new_key(name, "read", None, Random(name)) for name in ("first", "second"))
    file.write_text(f"{first[1].line()}  # of the shop\n")
    keys = ring(clock, keys_file=str(file))

    def change(text: str | None) -> None:
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
            os.utime(file, ns=(int(clock.seconds * 1e9), int(clock.seconds * 1e9)))
        clock.seconds += LOOK_SECONDS

    assert (keys.find(first[0]), keys.find(second[0])) == (first[1], None)
    change(second[1].line())
    assert (keys.find(first[0]), keys.find(second[0])) == (None, second[1])
    change("second:reader")
    assert keys.find(second[0]) == second[1]
    assert "a key is name:role:sha256" in str(keys.trouble)
    change(None)
    assert keys.find(second[0]) == second[1]
    change(first[1].line())
    assert (keys.find(first[0]), keys.trouble) == (first[1], None)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("shop", "a key is name:role:sha256"),
        (f"shop:read:{HASH[1:]}", "a key is name:role:sha256"),
        (f"s p:read:{HASH}", "key 1: a key is"),
        (f"{'s' * 65}:read:{HASH}", "a key is"),
        (f"shop:reader:{HASH}", "'reader' is not one of read, application, admin"),
        (f"shop:read:{HASH}:20261399T000000Z", "a key is"),
        (f"shop:read:{HASH}:tomorrow", "a key is"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number_without_its_hash(line: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        read_keys(line, "here")
    assert HASH not in str(refused.value)


def test_without_a_key_nothing_is_served(clock: Clock, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no key is set"):
        ring(clock)
    with pytest.raises(SettingsError, match="cannot be read: FileNotFoundError"):
        ring(clock, keys_file=str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="the new key: a key is"):
        new_key("s p", "read", None, Random(1))


@pytest.fixture
def clock() -> Clock:
    return Clock()
