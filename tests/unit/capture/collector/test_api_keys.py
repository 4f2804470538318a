"""Keys: made, read from lines, found by their text."""

from random import Random

import pytest

from shopstream.capture.collector.api_keys import new_key, read_keys
from shopstream.schemas import EVENT_TYPES, SettingsError
from shopstream.schemas.http.keys import find_key

HASH = "0" * 64


def test_a_new_key_is_found_by_its_text_and_by_no_other() -> None:
    text, key = new_key("order-service", (), publishable=False, random=Random(1))
    keys = read_keys(key.line(), "here")
    assert text.startswith("sk_")
    assert len(text) == 46
    assert find_key(keys, text) == key
    assert [find_key(keys, other) for other in ("", text[:-1], text + "a", text.upper(), "\udcff", "a" * 10**6)] == [
        None
    ] * 6
    assert text not in key.line()


def test_a_publishable_key_sends_what_a_page_knows_and_another_everything() -> None:
    assert new_key("web", (), publishable=True, random=Random(1))[1].event_types == {"search", "interaction"}
    assert new_key("app", (), publishable=False, random=Random(1))[1].event_types == set(EVENT_TYPES) - {"ledger_entry"}
    assert new_key("web", ["voice"], publishable=True, random=Random(1))[1].event_types == {"voice"}


def test_keys_are_read_from_lines_and_from_words() -> None:
    text = f"# of the shop\nweb:{HASH}:search,interaction  # the page\n\n app:{HASH} till:{HASH}:order\n"
    assert [(key.name, len(key.event_types)) for key in read_keys(text, "here")] == [
        ("web", 2),
        ("app", len(EVENT_TYPES) - 1),
        ("till", 1),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("web", "a key is name:sha256"),
        (f"web:{HASH[1:]}", "a key is name:sha256"),
        (f"w b:{HASH}", "key 1: a key is name:sha256"),
        (f"-web:{HASH}", "a key is name:sha256"),
        (f"{'w' * 65}:{HASH}", "a key is name:sha256"),
        (f"web:{HASH}:", "a key is name:sha256"),
        (f"web:{HASH}:serach", "'serach' is not one of search"),
        (f"web:{HASH} web:{HASH}", "two keys are named web"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number_without_its_hash(line: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        read_keys(line, "here")
    assert HASH not in str(refused.value)


@pytest.mark.parametrize(("name", "types"), [("a b", ()), ("", ()), ("web", ["serach"])])
def test_a_new_key_that_could_not_be_read_is_not_made(name: str, types: list[str]) -> None:
    with pytest.raises(SettingsError):
        new_key(name, types, publishable=False, random=Random(1))
