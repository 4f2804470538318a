"""What is scrubbed and what survives: two corpora, and properties over texts nobody wrote."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.schemas import personal_numbers
from shopstream.schemas.personal_numbers import is_barcode, is_card, is_phone
from shopstream.schemas.scrub import has_email, scrub, scrub_fields, scrub_speech

CORPUS = Path(__file__).parent / "scrub_corpus"
PRIVACY_PAGE = Path(__file__).parents[3] / "docs/privacy.md"
HARMLESS = (CORPUS / "harmless.txt").read_text().splitlines()


def personal() -> Iterator[tuple[str, str, str]]:
    """Rule, text and the text as it may be kept; what is private stands in braces in the file."""
    for line in (CORPUS / "personal.tsv").read_text().splitlines():
        rule, text = line.split("\t")
        text = re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
        marked = re.compile(r"\{([^{}]+(?:\{at\}[^{}]+)?)\}")
        yield rule, marked.sub(r"\1", text), marked.sub(f"[{rule}]", text)


def ean_13(random: Random) -> str:
    digits = [int(digit) for digit in random.choice(("400", "4388", "50", "54", "30", "80", "76", "978", "20"))]
    digits += [random.randrange(10) for _ in range(12 - len(digits))]
    total = sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return "".join(map(str, digits)) + str(-total % 10)


def generated(count: int, seed: int = 20241121) -> Iterator[str]:
    """Harmless queries in the shapes shoppers type: a word, a brand, sizes, prices, dates, barcodes, orders."""
    random = Random(seed)
    words = (
        "milk",
        "vin rouge",
        "käse",
        "leche",
        "latte",
        "kaas",
        "молоко",
        "bohrer",
        "iphone",
        "jeans",
        "tee",
        "brot",
    )
    units = ("l", "ml", "g", "kg", "cm", "mm", "m", "w", "v", "gb", "zoll", "stück", "€", "euro", "%", "x", "er pack")
    shapes = (
        lambda: f"{random.choice(words)} {random.randrange(1, 2000)} {random.choice(units)}",
        lambda: f"{random.randrange(1, 48)}x{random.choice(('0,33', '0.5', '1', '1,5'))} l {random.choice(words)}",
        lambda: f"{random.randrange(10, 300)}x{random.randrange(10, 300)}x{random.randrange(10, 300)} cm",
        lambda: f"{random.choice(words)} {random.randrange(1, 999)},{random.randrange(10, 99)} €",
        lambda: f"{random.choice(words)} {random.choice((128, 256, 512))} {random.choice((8, 12, 16))} gb",
        lambda: f"{random.randrange(1, 29):02}.{random.randrange(1, 13):02}.{random.randrange(1990, 2030)}",
        lambda: f"{random.randrange(1990, 2030)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}",
        lambda: f"{random.choice(('', 'ean ', 'gtin: '))}{ean_13(random)}",
        lambda: f"order {random.randrange(1, 10)}{random.randrange(10**6, 10**9)}",
        lambda: f"{random.choice('ABCDEFGHXZ')}K-{random.randrange(10**3, 10**6)}-{random.choice('SMLX')}",
        lambda: " ".join(str(size) for size in range(random.randrange(34, 44), 56, 2)),
        lambda: f"{random.randrange(100, 999)}.{random.randrange(100, 999)}.{random.randrange(10, 99)}",
        lambda: f"{random.choice(words)} {random.randrange(2000, 2030)} {random.choice(words)}",
    )
    for place in range(count):
        yield shapes[place % len(shapes)]()


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_query_survives(text: str) -> None:
    assert scrub(text) is text
    assert scrub_speech(text) == text


def test_four_thousand_generated_queries_survive() -> None:
    queries = list(generated(4_000))
    assert [query for query in queries if scrub(query) is not query] == []


@pytest.mark.parametrize("text", [query for query in HARMLESS if query.isascii()][::5])
def test_a_harmless_query_survives_in_full_width_too(text: str) -> None:
    wide = "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)
    assert scrub(wide) is wide


def test_the_recall_per_rule_is_what_the_page_of_privacy_says() -> None:
    written: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for rule, text, kept in personal():
        written[rule] += 1
        found[rule] += scrub_speech(text) == kept
    page = PRIVACY_PAGE.read_text()
    rows = [f"| `[{rule}]` | {found[rule]} of {count} |" for rule, count in written.items()]
    assert [row for row in rows if row not in page] == []
    assert all(found[rule] / count >= 0.9 for rule, count in written.items()), found


def test_cards_in_every_issuers_range_are_found_and_other_numbers_with_a_check_digit_are_not() -> None:
    assert is_card("4111111111111111")
    assert not is_card("4111111111111112")  # Check digit.
    assert not is_card("4222222222222")  # As long as a barcode.
    assert not is_card("490154203237518")  # A phone's IMEI.
    assert not is_card("8944500102198304826")  # A SIM card.


def test_barcodes_carry_their_check_digit() -> None:
    assert [is_barcode(code) for code in ("96385074", "036000291452", "4006381333931", "0306406152")] == [True] * 4
    assert not is_barcode("4006381333932")


@pytest.mark.parametrize(
    "text", ["+49 170 1234567", "0049 170 1234567", "(030) 1234567", "0170/1234567", " 01701234567 "]
)
def test_a_text_that_is_a_phone_number(text: str) -> None:
    assert is_phone(text)


@pytest.mark.parametrize(
    "text", ["10023456", "0010023456", "u-1", "", "+", "c 0170 1234567 x", "4006381333931", "2024-11-21"]
)
def test_a_text_that_is_none(text: str) -> None:
    assert not is_phone(text)


PIECES = st.sampled_from(
    [
        *(
            "@",
            "a",
            "b.de",
            ".",
            "+49",
            "00",
            "0",
            "170",
            "4111",
            "1111",
            "-",
            "(",
            ")",
            "[",
            "]",
            "[email]",
            "[token]",
        ),
        *("token=", "password:", "://", ":", "/", "DE89", "eyJ", "sk_live_", "(at)", "anna", "1234567", "&", "?key="),
        *(
            " ",
            "\uff20",
            "\uff11",
            "\u200b",
            " at ",
            " dot com",
            "\u00a0",
            "\n",
            "Bearer ",
            "tel ",
            "AbC123xyzAbC123xyz",
        ),
        *("3704 0044 0532 0130 00", "[card]", "1", "=", "_", "x"),
    ]
)
HARD = st.lists(PIECES, max_size=24).map("".join)


@given(st.one_of(st.text(), HARD))
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    once = scrub(text)
    assert scrub(once) is once
    spoken = scrub_speech(text)
    assert scrub_speech(spoken) == spoken


@given(HARD)
def test_what_was_private_is_not_left_beside_its_name(text: str) -> None:
    assert "anna@b.de" not in scrub(f"{text} anna@b.de {text}")
    assert "4111 1111 1111 1111" not in scrub(f"x 4111 1111 1111 1111 x{text}")


@given(st.text(alphabet=st.characters(exclude_characters="@=:([{\uff20\ufe6b\uff1d\uff1a", exclude_categories=["Nd"])))
def test_a_text_without_a_digit_or_a_sign_is_the_same_object(text: str) -> None:
    assert scrub(text) is text


ADVERSARIES = (
    *("0 ", "0170 ", "+49 ", "00 49 ", "4", "4 1 ", "4111 ", "a@", "a.", "a.a@", "@", "password=", "token=a", "://a:"),
    *("(at)", "DE89 ", "DE12AAAA", "eyJ", "eyJaaaaaaaa.", "(", "((1", "0", "a at ", "a at b dot ", "\uff11", "\u200b1"),
    *("key=", "sk_live_", "a-", "1-", "((+1", "Bearer ", "=", "tel 1 ", "a@b.", "[at]", "415-555-", "1.415-555-0132 "),
)


def test_ten_thousand_characters_of_anything_take_no_time_to_speak_of() -> None:
    """In a process of its own, so that a catastrophe ends; on a slow machine it all takes about two seconds."""
    program = (
        "import sys; from shopstream.schemas.scrub import scrub_speech\n"
        "for piece in sys.stdin.read().split('\\0'): scrub_speech((piece * 10_000)[:9_990] + ' end@')"
    )
    subprocess.run([sys.executable, "-c", program], input="\0".join(ADVERSARIES), text=True, timeout=60, check=True)


def test_a_text_full_of_candidates_asks_the_library_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    confirmed = personal_numbers._confirmed

    def counted(digits: str, international: str, lookups: personal_numbers._Lookups) -> bool:
        nonlocal asked
        asked += lookups.left > 0
        return confirmed(digits, international, lookups)

    monkeypatch.setattr(personal_numbers, "_confirmed", counted)
    assert scrub("000 0011 0170 12 " * 500).count("[phone]") > 0
    assert asked == personal_numbers.MOST_LOOKUPS


def test_a_harmless_text_imports_no_library() -> None:
    program = (
        "import sys; from shopstream.schemas.scrub import scrub\n"
        "for query in sys.stdin.read().splitlines(): scrub(query)\n"
        "assert not {'phonenumbers', 'stdnum'} & set(sys.modules), 'imported'"
    )
    queries = "organic oat milk 1l\niphone 15 pro 256\n2024-11-21\n40x60 cm\nsony wh-1000xm4 black"
    subprocess.run([sys.executable, "-c", program], input=queries, text=True, timeout=60, check=True)


def test_the_fields_people_fill_are_scrubbed_and_no_others() -> None:
    fields: dict[str, object] = {
        "query": "mail anna@example.com",
        "filters": [{"name": "text", "value": "0170 1234567"}, {"name": "brand", "value": "acme"}],
        "turns": ({"role": "user", "text": "anna at example dot com", "offset_ms": 1}, "not a turn"),
        "name": "anna@example.com",
    }
    assert scrub_fields(fields) == {
        "query": "mail [email]",
        "filters": [{"name": "text", "value": "[phone]"}, {"name": "brand", "value": "acme"}],
        "turns": [{"role": "user", "text": "[email]", "offset_ms": 1}, "not a turn"],
        "name": "anna@example.com",
    }


def test_fields_in_which_nothing_had_to_go_are_the_same_object() -> None:
    fields: dict[str, object] = {"query": "oat milk", "filters": ({"name": "a", "value": "b"},), "turns": None}
    assert scrub_fields(fields) is fields


def test_what_is_beyond_the_longest_text_is_cut_not_kept_unsearched() -> None:
    assert scrub_fields({"query": "a" * 10_000 + " anna@example.com"}) == {"query": "a" * 10_000}


def test_an_address_is_seen_through_look_alikes() -> None:
    assert has_email("an\u200bna\uff20example.com")
    assert not has_email("anna")
