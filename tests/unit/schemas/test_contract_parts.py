"""The smaller contracts: identifiers, decay, messages, columns, settings."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from shopstream.schemas import CloudSettings, Record, Settings, SettingsError, pack, read_settings, unpack
from shopstream.schemas.bigquery_schema import columns_of
from shopstream.schemas.decay import HALF_LIFE_DAYS, decayed
from shopstream.schemas.environment import MASK, RedisSettings, shown
from shopstream.schemas.identifiers import find_event_id, find_user_id, make_event_id

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


def test_an_event_id_is_a_uuid_of_version_7_that_begins_with_its_time() -> None:
    event_id = UUID(make_event_id(NOW, Random(1)))
    assert (event_id.version, event_id.variant) == (7, "specified in RFC 4122")
    assert event_id.int >> 80 == int(NOW.timestamp() * 1000)


def test_event_ids_do_not_repeat() -> None:
    random = Random(1)
    assert len({make_event_id(NOW, random) for _ in range(10_000)}) == 10_000


def test_identities_are_found_in_broken_bytes() -> None:
    event_id = make_event_id(NOW, Random(1))
    broken = b'{"event_id": "%s", "user_id":"u 1", ' % event_id.encode()
    assert (find_event_id(broken), find_user_id(broken)) == (event_id, "u 1")
    assert (find_event_id(b"{}"), find_user_id(b"{}")) == (None, None)


@pytest.mark.parametrize("user_id", ["u-1", "o'brien", 'o"brien', "back\\slash", "ü€", "\U0001f600", "x" * 256])
@pytest.mark.parametrize("escaped", [True, False])
def test_any_user_id_is_found_in_bytes_that_are_no_event(user_id: str, escaped: bool) -> None:
    text = json.dumps({"user_id": user_id, "query": "milk"}, ensure_ascii=escaped)
    assert find_user_id(text[:-3].encode()) == user_id


def test_a_weight_halves_with_every_half_life() -> None:
    assert decayed(8, 0) == 8
    assert decayed(8, 3 * HALF_LIFE_DAYS) == pytest.approx(1)


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line and line.strip()), min_size=1, max_size=50))
def test_packed_lines_unpack_as_themselves(lines: list[bytes]) -> None:
    message = pack("search", lines)
    assert unpack(message.data, message.attributes) == lines
    assert message.attributes["count"] == str(len(lines))


def test_columns_follow_from_fields() -> None:
    class Part(Record):
        amount: Decimal = Field(description="How much.")

    class Row(Record):
        name: str = Field(description="Its name.")
        at: datetime | None = Field(None, description="When.")
        parts: tuple[Part, ...] = Field((), description="Its parts.")
        more: dict[str, object] | None = Field(None, description="The rest.")

    assert [(c["name"], c["type"], c["mode"]) for c in columns_of(Row)] == [
        ("name", "STRING", "REQUIRED"),
        ("at", "TIMESTAMP", "NULLABLE"),
        ("parts", "RECORD", "REPEATED"),
        ("more", "JSON", "NULLABLE"),
    ]

    class Odd(Record):
        what: complex

    with pytest.raises(TypeError, match="what"):
        columns_of(Odd)


class Example(Settings):
    """Settings with a prefix."""

    model_config = Settings.model_config | {"env_prefix": "EXAMPLE_"}
    limit: int = Field(10, gt=0, description="Most of it.")


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"EXAMPLE_LIMTI": "5"}, "EXAMPLE_LIMTI is not a setting. Did you mean EXAMPLE_LIMIT?"),
        ({"EXAMPLE_LIMIT": "many"}, "EXAMPLE_LIMIT has a value it does not accept"),
        ({"EXAMPLE_LIMIT": "0"}, "greater than 0. Most of it."),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_the_variable(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(Example, environ)
    assert complaint in str(caught.value)


def test_a_missing_setting_is_named_with_its_meaning() -> None:
    with pytest.raises(SettingsError, match="GOOGLE_CLOUD_PROJECT is not set"):
        read_settings(CloudSettings, {})


def test_secrets_are_shown_masked() -> None:
    settings = read_settings(RedisSettings, {"REDIS_URL": "redis://:hunter2@host/0"})
    assert shown(settings) == {"REDIS_ENABLED": "False", "REDIS_URL": MASK, "REDIS_PREFIX": "shopstream"}
