"""Free text becomes text that may be kept: personal data is replaced by the name of the rule that found it.

A harmless text costs one search of one pattern. Only where that finds a mark (an @, a =, seven digits close together,
a long word with a digit) do the rules look, on a folded copy in which digits, signs and spaces of other scripts are
plain ones and invisible characters are gone.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .personal_numbers import IBAN, iban_end, numbers
from .structs import EventStruct

SCRUBBED_FIELDS: Mapping[str, tuple[str, ...]] = {"search": ("query", "filters.value"), "voice": ("turns.text",)}
"""The fields of each event type that hold what a person typed or said. Nothing else of an event is searched: names of
products, categories and sort orders are the shop's own words."""

_LONGEST_TEXT = 10_000
"""No free text of the contract is longer; what is beyond this is cut before it is searched."""

_MARK = re.compile(
    r"[0-9@=(\[{:](?:(?<=[@=])|(?<=[(\[{]) ?at ?[)\]}]|(?<=[A-Za-z]:)"
    r"|(?<![0-9][0-9])(?<=[0-9])(?:(?:[ \t().\-/]{0,3}[0-9]){6}|[\w\-]{8}|(?<=[\w\-]{8}[0-9])))",
    re.ASCII,
).search
_LIKE_AT = "\N{FULLWIDTH COMMERCIAL AT}\N{SMALL COMMERCIAL AT}"
_LIKE_SETS = "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH COLON}"
_MARK_ANYWHERE = re.compile(
    rf"[\d@=(\[{{:{_LIKE_AT}{_LIKE_SETS}](?:(?<=[@={_LIKE_AT}{_LIKE_SETS}])|(?<=[(\[{{])\s?at\s?[)\]}}]|(?<=[A-Za-z]:)"
    r"|(?<!\d\d)(?<=\d)(?:(?:[\W_]{0,6}\d){6}|[\w\-]{8}|(?<=[\w\-]{8}\d)))"
).search

_SETS = r"\"?\s?[=:]\s?\"?"
# A password says itself what follows it; of a token or key the value must look like one.
_PASSWORD = r"pass(?:word|wort|wd|phrase)|pwd|kennwort|contrase[ñn]a|mot de passe|wachtwoord|client[_-]?secret"  # noqa: S105
_KEY = (
    r"(?:(?:api|access|auth|secret|private|refresh|id|session|user|bearer|x)[_-]?)?"
    r"(?:token|key|secret|credential|authorization)"
)
_PARAMETER = r"auth|code|key|pass|sid|sig|sign|signature|session|sessionid|jwt|x-amz-signature|x-goog-signature"
_PREFIX = (
    r"(?:sk|rk|pk)_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|shp(?:at|ss|ca|pa)_"
    r"|npm_|pypi-|dop_v1_|hf_|sq0[a-z]{3}-|sk-ant-|sk-proj-"
)
_SECRETS_SET = (
    re.compile(rf"(?i:(?<![^\W_])(?:{_PASSWORD}){_SETS})(?P<set>[^\s\[\]\"&]{{2,}})"),
    re.compile(rf"(?i:(?<![^\W_]){_KEY}{_SETS}(?!(?:bearer|basic)\s))(?P<value>[\w.\-+/=~%]{{8,}})"),
    re.compile(rf"(?i:[?&;#](?:{_PARAMETER})=)(?P<set>[^\s\[\]&#;]{{6,}})"),
)
_SECRETS_BY_SHAPE: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("eyJ",), re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?", re.ASCII)),
    (("",), re.compile(r"(?i:(?<![^\W_])(?:bearer|basic)\s{1,3})(?P<value>[\w.~+/=-]{16,})", re.ASCII)),
    (("_", "-"), re.compile(rf"(?<![A-Za-z0-9])(?:{_PREFIX})[\w-]{{10,}}", re.ASCII)),
    (("",), re.compile(r"(?<![A-Za-z0-9])(?P<whole>(?:AKIA|ASIA|AIza|ya29\.|SG\.|sk[-_])[\w.-]{16,})", re.ASCII)),
)
"""What a match names `set` goes in any case; what it names `value` or `whole` where it looks like chance; a match
without a name is a token by its own shape."""
_URL_CREDENTIALS = re.compile(r"(?<=://)[^\s/@:\[\]]{0,256}:[^\s/@\[\]]{1,512}(?=@)")
_PART = r"[^\s@<>\",;:=/\[\](){}|]"
# It begins only where a word does, or a long word without an @ would be tried from each of its letters.
_EMAIL = re.compile(rf"(?<!{_PART}){_PART}+@(?:[\w-]{{1,63}}\.){{1,8}}[^\W\d_][\w-]{{1,62}}")
_EMAIL_APART = re.compile(
    r"(?<![\w.+-])[\w.+-]+ ?(?:@|\( ?at ?\)|\[ ?at ?\]|\{ ?at ?\}) ?"
    r"[\w-]{1,63}(?: ?(?:\.|\( ?dot ?\)|\[ ?dot ?\]|\{ ?dot ?\}) ?[\w-]{1,63}){0,7}"
    r" ?(?:\.|\( ?dot ?\)|\[ ?dot ?\]|\{ ?dot ?\}) ?[^\W\d_]{2,24}(?!\w)",
    re.IGNORECASE,
)
_EMAIL_SPOKEN = re.compile(
    r"(?<![\w.+-])[\w.+-]+ (?:at|ät|ett|arroba|chiocciola|arobase|apenstaartje) [\w-]{1,63}"
    r"(?: (?:dot|punkt|point|punto|punt) [\w-]{1,63}){0,3} (?:dot|punkt|point|punto|punt) "
    r"(?:com|net|org|info|biz|eu|de|at|ch|fr|es|it|nl|be|uk|ie|pl|se|dk|pt|us|io)(?!\w)",
    re.IGNORECASE,
)

Span = tuple[str, int, int]


def scrub(text: str) -> str:
    """The text with every match of a rule replaced by the rule's name in brackets. Idempotent.

    It is the same object where nothing had to go. Time is linear in the length of the text.
    """
    if (_MARK if text.isascii() else _MARK_ANYWHERE)(text) is None:
        return text
    shown = visible = text if text.isascii() else text.translate(_INVISIBLE)
    plain = folded(visible)
    for gates, rule in _RULES:
        if any(gate in plain for gate in gates) and (spans := list(rule(plain))):
            shown, plain = _without(shown, spans), _without(plain, spans)
    return text if shown is visible else shown


def scrub_speech(text: str) -> str:
    """The same for a transcript, where an e-mail address may be spelled in words: `anna at example dot com`."""
    return scrub(_EMAIL_SPOKEN.sub("[email]", text))


def has_email(text: str) -> bool:
    """True for a text that holds an e-mail address."""
    return _EMAIL.search(folded(text)) is not None


def folded(text: str) -> str:
    """The text with plain digits, signs and spaces in place of their look-alikes, without invisible characters."""
    return text if text.isascii() else text.translate(_INVISIBLE).translate(_PLAIN)


def scrub_fields(fields: dict[str, object]) -> dict[str, object]:
    """An event's fields with SCRUBBED_FIELDS scrubbed; the same object where nothing had to go.

    The fields need not be valid: what is kept of a wrong event is scrubbed too.
    """
    changed: dict[str, object] = {}
    query = fields.get("query")
    if isinstance(query, str) and (clean := scrub(query[:_LONGEST_TEXT])) is not query:
        changed["query"] = clean
    if "filters" in fields or "turns" in fields:
        for name, inner, how in (("turns", "text", scrub_speech), ("filters", "value", scrub)):
            parts = fields.get(name)
            if parts and isinstance(parts, list | tuple) and (kept := _scrub_parts(parts, inner, how)) is not None:
                changed[name] = kept
    return fields | changed if changed else fields


def scrub_event(event: EventStruct) -> None:
    """The same for the struct of a valid event, in place."""
    texts: Any = event
    if event.event_type == "search":
        texts.query = scrub(texts.query)
        for each in texts.filters:
            each.value = scrub(each.value)
    elif event.event_type == "voice":
        for each in texts.turns:
            each.text = scrub_speech(each.text)


def _scrub_parts(parts: Sequence[object], inner: str, how: Callable[[str], str]) -> list[object] | None:
    """The parts with the text of each scrubbed; None where nothing had to go."""
    kept: list[object] | None = None
    for place, part in enumerate(parts):
        if isinstance(part, dict | Mapping) and isinstance(text := part.get(inner), str):
            clean = how(text[:_LONGEST_TEXT])
            if clean != text:
                kept = list(parts) if kept is None else kept
                kept[place] = {**part, inner: clean}
    return kept


def _without(text: str, spans: Iterable[Span]) -> str:
    """The text with each span replaced by its rule's name; spans come in order and do not overlap."""
    parts: list[str] = []
    done = 0
    for name, start, end in spans:
        parts += text[done:start], f"[{name}]"
        done = end
    return "".join(parts) + text[done:]


def _url_credentials(text: str) -> Iterator[Span]:
    return (("url_credentials", *match.span()) for match in _URL_CREDENTIALS.finditer(text))


def _secrets(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    group = next(iter(pattern.groupindex), 0)

    def spans(text: str) -> Iterator[Span]:
        for match in pattern.finditer(text):
            if group in {0, "set"} or _is_random(match[group]):
                yield "token", *match.span(group)

    return spans


def _is_random(value: str) -> bool:
    """True for a value with a digit, or with capitals inside it: words of a shop have neither."""
    return any(character.isdigit() for character in value) or not (value[1:].islower() or value[1:].isupper())


def _emails(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    return lambda text: (("email", *match.span()) for match in pattern.finditer(text))


def _ibans(text: str) -> Iterator[Span]:
    for match in IBAN.finditer(text):
        if end := iban_end(match[0]):
            yield "iban", match.start(), match.start() + end


_SETTING = ("=", ":")
_RULES: tuple[tuple[tuple[str, ...], Callable[[str], Iterator[Span]]], ...] = (
    (("://",), _url_credentials),
    *((_SETTING, _secrets(pattern)) for pattern in _SECRETS_SET),
    *((gates, _secrets(pattern)) for gates, pattern in _SECRETS_BY_SHAPE),
    (("@",), _emails(_EMAIL)),
    (("@", "at", "AT", "At"), _emails(_EMAIL_APART)),
    (("",), _ibans),
    (("",), numbers),
)
"""Each with the signs without one of which it cannot match. In this order: what an earlier rule replaced, a later one
no longer sees."""


class _Plain(dict[int, str | int]):
    """What each character stands for: an ASCII digit, sign or space, one for one; otherwise itself."""

    def __missing__(self, code: int) -> str | int:
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Nd":
            found: str | int = str(unicodedata.digit(character))
        elif category == "Pd" or character in _LIKE_HYPHEN:
            found = "-"
        elif category == "Zs":
            found = " "
        elif _FULL_WIDTH[0] <= code <= _FULL_WIDTH[-1]:
            found = chr(code - _FULL_WIDTH[0] + ord("!"))
        else:
            found = _LIKE_SIGN.get(character, code)
        self[code] = found
        return found


class _Invisible(dict[int, int | None]):
    """Nothing for a character that takes no room (category Cf: zero-width, soft hyphen, marks of direction)."""

    def __missing__(self, code: int) -> int | None:
        self[code] = found = None if unicodedata.category(chr(code)) == "Cf" else code
        return found


_FULL_WIDTH = range(0xFF01, 0xFF5F)
_LIKE_HYPHEN = "\N{MINUS SIGN}"
_LIKE_SIGN = {
    "\N{SMALL COMMERCIAL AT}": "@",
    "\N{MIDDLE DOT}": ".",
    "\N{BULLET}": ".",
    "\N{ONE DOT LEADER}": ".",
    "\N{IDEOGRAPHIC FULL STOP}": ".",
    "\N{HALFWIDTH IDEOGRAPHIC FULL STOP}": ".",
}
_PLAIN, _INVISIBLE = _Plain(), _Invisible()
