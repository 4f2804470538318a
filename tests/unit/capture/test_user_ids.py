"""Which ids are kept as they are, and what becomes of those that say who somebody is."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.capture.user_ids import UserIds
from shopstream.schemas import Reason, Rejected

KEY = b"sixteen bytes or more"
OPAQUE = (
    *("u-1", "10023456", "4711", "0010023456", "000123", "cus_Nff1x1s2", "550e8400-e29b-41d4-a716-446655440000"),
    *("auth0|5f7c8ec7c33c6c004bbafe82", "user:42", "Jürgen", "@home", "a@b", "tenant@12", "2024-11-21-0815", "U 1"),
    *("h-870a29c8033d650a597f325fa522f20b", "4006381333931", "0", "+", "", "客户１２３", "telmer-12345"),
)
PERSONAL = (
    *(
        "anna@example.com",
        "ANNA@EXAMPLE.COM",
        "mailto:anna@example.com",
        "user:anna@example.com",
        "anna\uff20example.com",
    ),
    *(
        "an\u200bna@example.com",
        "+49 170 1234567",
        "0049 170 1234567",
        "00491701234567",
        "(030) 1234567",
        "0170/1234567",
    ),
    *("tel:+491701234567", "+1 (415) 555-0132", "415-555-0132", "\uff0b49 170 1234567"),
)


@pytest.mark.parametrize("user_id", OPAQUE)
def test_an_opaque_id_is_kept_as_the_same_object(user_id: str) -> None:
    for strict in (True, False):
        ids = UserIds(KEY, strict=strict)
        assert ids.kept(user_id) is user_id
        assert ids.kept(user_id) is user_id  # Remembered, and still the same.


@pytest.mark.parametrize("user_id", PERSONAL)
def test_strict_mode_refuses_an_address_or_a_number_and_does_not_repeat_it(user_id: str) -> None:
    with pytest.raises(Rejected) as caught:
        UserIds(KEY, strict=True).kept(user_id)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_VALUE, "user_id")
    assert user_id not in str(caught.value)
    assert not any(part in str(caught.value) for part in ("anna", "170", "415"))


@pytest.mark.parametrize("user_id", PERSONAL)
def test_otherwise_its_keyed_hash_takes_its_place(user_id: str) -> None:
    kept = UserIds(KEY, strict=False).kept(user_id)
    assert kept is not None
    assert kept.startswith("h-")
    assert len(kept) == 34
    assert UserIds(KEY, strict=True).kept(kept) is kept


def test_the_hash_is_hmac_sha_256_so_that_others_can_make_it_too() -> None:
    digest = hmac.new(KEY, b"anna@example.com", hashlib.sha256).hexdigest()
    assert UserIds(KEY, strict=False).kept("anna@example.com") == f"h-{digest[:32]}"


def test_one_address_or_number_has_one_hash_however_it_is_written() -> None:
    ids = UserIds(KEY, strict=False)
    assert (
        len({ids.kept(spelling) for spelling in ("anna@example.com", "Anna@Example.COM", "mailto:anna@example.com")})
        == 1
    )
    numbers = ("+49 170 1234567", "+49 (0) 170 1234567", "0049-170-1234567", "tel:+491701234567", "(+49) 170/1234567")
    assert len({ids.kept(spelling) for spelling in numbers}) == 1


def test_another_key_gives_another_hash() -> None:
    assert UserIds(KEY, strict=False).kept("a@b.de") != UserIds(KEY + b"!", strict=False).kept("a@b.de")


@pytest.mark.parametrize("user_id", PERSONAL)
def test_without_a_key_nothing_is_kept(user_id: str) -> None:
    assert UserIds(None, strict=False).kept(user_id) is None


def test_the_refusal_names_the_field_that_was_checked() -> None:
    with pytest.raises(Rejected) as caught:
        UserIds(KEY, strict=True).kept("anna@example.com", "session_id")
    assert caught.value.field == "session_id"


@given(st.text(max_size=300))
def test_any_text_is_kept_hashed_or_refused(user_id: str) -> None:
    kept = UserIds(KEY, strict=False).kept(user_id)
    assert kept is user_id or (kept is not None and kept.startswith("h-"))


def test_what_is_remembered_is_bounded_and_never_personal() -> None:
    ids = UserIds(KEY, strict=False)
    for number in range(25_000):
        ids.kept(f"x {number}")
    ids.kept("anna@example.com")
    assert len(ids._found_opaque) <= 10_000
    assert "anna@example.com" not in ids._found_opaque
