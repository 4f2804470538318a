"""Free text becomes text that may be kept: personal data is replaced by the name of the rule that found it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_LONGEST_TEXT = 10_000
"""No free text of the contract is longer; what is beyond this is cut before it is searched."""
_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


@dataclass(frozen=True)
class Rule:
    """What one kind of personal data looks like, and when a match really is one."""

    name: str
    pattern: re.Pattern[str]
    confirm: Callable[[str], bool] = lambda _: True


def _digits(text: str) -> list[int]:
    return [int(character) for character in text if character.isascii() and character.isdigit()]


def is_luhn(text: str) -> bool:
    """True where the digits in the text carry a valid check digit (ISO/IEC 7812-1, annex B)."""
    digits = _digits(text)
    odd, even = digits[-1::-2], digits[-2::-2]
    return bool(digits) and (sum(odd) + sum(_LUHN_DOUBLED[digit] for digit in even)) % 10 == 0


RULES = (
    Rule("url_credentials", re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)")),
    # It begins only where a word does, or a long word without an @ would be tried from each of its letters.
    Rule("email", re.compile(r"(?<![^\s@<>\"',;:/\[\]])[^\s@<>\"',;:/\[\]]+@[^\s@<>\"',;]+\.[^\s@<>\"',;.]+")),
    Rule("card", re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"), is_luhn),
    Rule("phone", re.compile(r"(?<![\w.])(?:\+|00|0)\d(?:[ ()/.-]{0,2}\d){7,13}(?!\w)")),
)
"""In this order: what an earlier rule replaced, a later one no longer sees."""


def scrub(text: str) -> str:
    """The text with every match of a rule replaced by the rule's name in brackets. Idempotent."""
    if not any(mark in text for mark in "@0123456789"):
        return text
    for rule in RULES:
        text = rule.pattern.sub(lambda match, rule=rule: f"[{rule.name}]" if rule.confirm(match[0]) else match[0], text)  # type: ignore[misc]
    return text


def scrub_fields(fields: dict[str, object]) -> dict[str, object]:
    """An event's fields with `query` and the text of `turns` scrubbed; the same object where nothing had to go.

    The fields need not be valid: what is kept of a wrong event is scrubbed too.
    """
    changed: dict[str, object] = {}
    query, turns = fields.get("query"), fields.get("turns")
    if isinstance(query, str) and (clean := _scrub_text(query)) != query:
        changed["query"] = clean
    if isinstance(turns, list | tuple):
        kept = [_scrub_turn(turn) for turn in turns]
        if any(after is not before for after, before in zip(kept, turns, strict=True)):
            changed["turns"] = kept
    return fields | changed if changed else fields


def _scrub_turn(turn: object) -> object:
    if isinstance(turn, Mapping) and isinstance(text := turn.get("text"), str) and (clean := _scrub_text(text)) != text:
        return {**turn, "text": clean}
    return turn


def _scrub_text(text: str) -> str:
    return scrub(text[:_LONGEST_TEXT])
