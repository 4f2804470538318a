"""Runs of digits in a text: which are payment cards, phone numbers or IBANs, and which are only numbers of a shop.

A cheap pattern finds a candidate, its shape decides whether it may be one, and a well-kept library confirms it:
python-stdnum the check digits and the IBAN of each country, phonenumbers the plan of each country. They are imported
with the first candidate, never for a harmless text. Texts are expected folded (scrub.folded):
plain digits and signs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

RUN = re.compile(r"(?:(?<![0-9])|(?=[+(]))[+(]{0,2}[0-9](?:[ \t().\-/]{0,3}[0-9])*")
"""Digits with at most three separators between them, with the + and ( before them."""
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2} ?[0-9]{2}(?:[ .\-]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
"""Two letters, two check digits, and as much after them as any country has."""
CARDS = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?|(?:5[1-5]|2(?:2[2-9]|[3-6]|7[01])[0-9]?)[0-9]{13,14}|2720[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12,15}|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"
    r"|(?:62|81)[0-9]{14,17}|(?:50|5[6-8]|6[37])[0-9]{14,17}"
)
"""Issuers' prefixes with their lengths (ISO/IEC 7812-1): Visa, Mastercard, American Express, Diners Club, JCB,
Discover, UnionPay, Maestro. Visa's old 13 digits are left out: none was issued for decades, and an EAN has as many."""
REGIONS = ("DE", "GB", "FR", "ES", "NL", "AT", "CH", "IT", "BE", "US")
"""Whose national ways to write a phone number are known; with + or 00 every country's is."""
MOST_LOOKUPS = 40
"""A text with more candidates for a phone number is no query: beyond it what has the shape of one counts as one."""

_DIGITS = re.compile(r"[0-9]+")
_DATE = re.compile(r"[0-3]?[0-9][.\-/][01]?[0-9][.\-/](?:19|20)[0-9]{2}(?![0-9])")
_PHONE_WORD = re.compile(
    r"(?:^|[^\w\[])(?:tel|tlf|fon|tele(?:ph|f)on[oe]?n?(?:nummer)?|t[ée]l(?:[ée]phone)?|phone|handy(?:nummer)?|mobile?|m[óo]vil"
    r"|cell|cellulare|whatsapp|call|rufnummer|num[ée]ro)(?:\W{1,2}(?:no|nr|number|nummer|is|ist|est|me|at|on|:))*"
    r"[.:# ]{0,3}$",
    re.IGNORECASE,
)
_LONGEST_PHONE = 15
"""E.164: the longest international number."""
_INTERNATIONAL_MIN, _NATIONAL_MIN, _UNBROKEN_MIN = 8, 8, 9
_BARCODES = (8, 12, 13, 14)
_ISBN_10 = 10
_NANP = (3, 3, 4)


@dataclass(frozen=True, slots=True)
class _Group:
    """Digits without a separator between them, and where in the text they stand."""

    digits: str
    start: int
    end: int


@dataclass(slots=True)
class _Lookups:
    """How many more questions a text may put to the library."""

    left: int = MOST_LOOKUPS

    def may_ask(self) -> bool:
        self.left -= 1
        return self.left >= 0


def is_card(digits: str) -> bool:
    """True for a number in an issuer's range, of its length, with a valid check digit (Luhn)."""
    if CARDS.fullmatch(digits) is None:
        return False
    from stdnum import luhn

    return luhn.is_valid(digits)


def is_barcode(digits: str) -> bool:
    """True for a GTIN-8, -12, -13 or -14, or an ISBN-10, with a valid check digit: shops are searched by them."""
    from stdnum import ean, isbn

    if len(digits) in _BARCODES:
        return bool(ean.is_valid(digits))
    return len(digits) == _ISBN_10 and bool(isbn.is_valid(digits))


def iban_end(candidate: str) -> int:
    """How many characters of a match of IBAN are one; 0 where none is. Words that follow it may be in the match."""
    from stdnum import iban

    ends = [match.start() for match in re.finditer(r"[ .\-]", candidate)]
    for end in [len(candidate), *reversed(ends)]:
        if iban.is_valid(candidate[:end], check_country=False):
            return end
    return 0


def is_phone(text: str) -> bool:
    """True for a text that is a phone number and nothing else; digits alone are one only after a 0 or a +."""
    text = text.strip()
    found = list(numbers(text))
    return len(found) == 1 and found[0][0] == "phone" and not re.search(r"[^\W_]", text[found[0][2] :])


def numbers(text: str) -> Iterator[tuple[str, int, int]]:
    """Every card and phone number of a text: the rule's name, where it begins and where it ends."""
    lookups = _Lookups()
    done = 0
    for run in RUN.finditer(text):
        if run.end() - run.start() >= _NATIONAL_MIN:
            groups = [_Group(match[0], match.start(), match.end()) for match in _DIGITS.finditer(text, *run.span())]
            for found in _in_run(text, run.start(), groups, lookups, done):
                yield found
                done = found[2]


def _in_run(
    text: str, start: int, groups: list[_Group], lookups: _Lookups, done: int
) -> Iterator[tuple[str, int, int]]:
    """Those of one run; what ends at `done` is replaced and no part of a word any more."""
    at = 0
    while at < len(groups):
        begin = start if at == 0 else groups[at].start
        if count := _card_groups(groups, at):
            yield "card", groups[at].start, groups[at + count - 1].end
        elif count := _phone_groups(text, begin, groups, at, lookups, alone=begin == done):
            opened = at > 0 and text[groups[at].start - 1] in "(+"
            yield "phone", begin - 1 if opened else begin, groups[at + count - 1].end
        at += count or 1


def _card_groups(groups: list[_Group], at: int) -> int:
    """How many groups from `at` on are one card; 0 where they are none. Spoken digits come one by one."""
    if groups[at].digits[0] not in "234568":
        return 0
    single = len(groups[at].digits) == 1
    digits = ""
    for count, group in enumerate(groups[at : at + 19], start=1):
        digits += group.digits
        if (len(group.digits) == 1) != single:
            return 0
        if is_card(digits):
            return count
        if len(group.digits) == 2:  # noqa: PLR2004 - sizes come in twos; a card's last group may be one
            return 0
    return 0


def _phone_groups(text: str, begin: int, groups: list[_Group], at: int, lookups: _Lookups, *, alone: bool) -> int:
    """How many groups from `at` on are one phone number; 0 where they are none."""
    mark = text[begin : groups[at].start]
    if at > 0:
        mark = text[groups[at - 1].end : groups[at].start].lstrip(" ).-/\t")
    if not alone and (text[begin - 1].isalnum() or text[begin - 1] in "_.,"):
        return 0
    if "+" in mark:
        return _longest(text, groups, at, lookups, international="+")
    first = groups[at].digits
    if first.startswith("00") and not first.startswith("000"):
        return _longest(text, groups, at, lookups, international="00")
    named = at == 0 and _PHONE_WORD.search(text[max(0, begin - 40) : begin]) is not None
    if first[0] == "0" or named:
        return 0 if _DATE.match(text, groups[at].start) else _longest(text, groups, at, lookups)
    return _north_american(text, groups, at, lookups, opened="(" in mark)


def _longest(text: str, groups: list[_Group], at: int, lookups: _Lookups, *, international: str = "") -> int:
    """The longest way to read a phone number from `at` on that the plan of a country knows."""
    least = _INTERNATIONAL_MIN if international else _NATIONAL_MIN
    single = not international and [len(group.digits) for group in groups[at : at + 3]] == [1, 1, 1]
    digits, ways = "", []
    for count, group in enumerate(groups[at : at + _LONGEST_PHONE], start=1):
        if (len(group.digits) == 1) != single and not (international and count <= 3):  # noqa: PLR2004 - +33 (0) 1 42…
            break
        trunk = international and group.digits == "0" and text[group.start - 1] == "("
        digits += "" if trunk else group.digits
        if len(digits.removeprefix("00")) > _LONGEST_PHONE:
            break
        if len(digits) >= least:
            ways.append((count, digits))
    for count, number in reversed(ways[-4:] if not single else ways[-1:]):
        after = groups[at + count - 1].end
        if after < len(text) and (text[after].isalnum() or text[after] == "_"):
            continue
        if not international and any(_is_code(groups[first : at + count]) for first in {at, max(0, at - 1)}):
            continue
        if _confirmed(number, international, lookups):
            return count
    return 0


def _is_code(groups: list[_Group]) -> bool:
    """True for what only looks like a national number: a short code, a barcode, a list of codes of one length."""
    parts = [group.digits for group in groups]
    if len(parts) == 1:
        return len(parts[0]) < _UNBROKEN_MIN or is_barcode(parts[0])
    return len({len(part) for part in parts}) == 1 and len(parts[0]) > 2 and sum(part[0] == "0" for part in parts) > 1  # noqa: PLR2004


def _north_american(text: str, groups: list[_Group], at: int, lookups: _Lookups, *, opened: bool) -> int:
    """(415) 555-0132, 415-555-0132 and 1.415.555.0132; with spaces alone it could be any three numbers."""
    extra = 1 if groups[at].digits == "1" else 0
    parts = groups[at + extra : at + extra + 3]
    if tuple(len(group.digits) for group in parts) != _NANP:
        return 0
    signs = {text[before.end : after.start] for before, after in pairwise(parts)}
    opened = opened or text[parts[0].start - 1 : parts[0].start] == "("
    if not (opened or signs in ({"-"}, {"."})) or text[parts[-1].end : parts[-1].end + 1].isalnum():
        return 0
    number = "".join(group.digits for group in parts)
    return extra + 3 if _confirmed("1" + number, "+", lookups) else 0


def _confirmed(digits: str, international: str, lookups: _Lookups) -> bool:
    """Whether the plan of a country knows the number; after a + its length is enough, the sign says what it is."""
    if not lookups.may_ask():
        return True
    import phonenumbers

    if international:
        try:
            number = phonenumbers.parse("+" + digits.removeprefix("00"))
        except phonenumbers.NumberParseException:
            return False
        return phonenumbers.is_possible_number(number) if international == "+" else phonenumbers.is_valid_number(number)
    for region in REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False
