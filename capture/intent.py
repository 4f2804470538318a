"""What a query is about, by rules: small, deterministic, the same on every host. See docs/intent.md for how good it is.

Words and phrases have kinds (intent_words.py); a query is gone through once, and the kinds it holds choose a rule. The
confidence of a rule is how often it was right on the development half of the labelled list of its test.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, get_args

from shopstream.schemas import events
from shopstream.schemas.normalised_query import normalised

from . import intent_words as words

Intent = dict[str, object]
"""The `intent` of a search: label, confidence, classifier."""
LABELS: frozenset[str] = frozenset(get_args(events.Intent.model_fields["label"].annotation))
_LONGEST_QUERY = 256
"""What is typed beyond this says no more about the intent."""
_MOST_WORDS = 24
_LONGEST_NAME = 256


class Classifier(Protocol):
    """Names the intent of a query, the same for the same query: it is asked once for those met often.

    It is called on the thread of `track`, so it should take a few microseconds.
    """

    name: str
    """Name and version, kept beside every intent it gave: 1 to 256 characters, such as `rules-1`."""

    def classify(self, query: str) -> tuple[str, float]:
        """The label, one of LABELS, and how sure it is, 0 to 1."""


# What a word or phrase can say about a query: plain numbers, for an IntFlag costs more than all the rest.
_QUESTION, _ASKS, _REORDER, _NAVIGATIONAL, _PAGE, _ATTRIBUTE, _SIZE = 1, 2, 4, 8, 16, 32, 64
_CATEGORY, _BRAND, _CODE, _NUMBER, _FILLER, _NONSENSE, _UNKNOWN = 128, 256, 512, 1024, 2048, 4096, 8192
_UNIT, _BEGINS_PHRASE = 16384, 32768
_DESCRIBES = _ATTRIBUTE | _SIZE | _NUMBER

RULES: dict[str, tuple[str, float]] = {
    "question_mark": ("question", 0.88),
    "question_word": ("question", 0.98),
    "reorder": ("reorder", 0.98),
    "page_phrase": ("navigational", 0.97),
    "page_word": ("navigational", 0.97),
    "code": ("product", 0.93),
    "brand": ("product", 0.97),
    "number": ("product", 0.5),
    "nonsense": ("other", 0.96),
    "attribute": ("attribute", 0.94),
    "category": ("category", 0.96),
    "unknown_few": ("category", 0.5),
    "unknown_many": ("product", 0.86),
}
"""Every rule with its label and the confidence it gives."""


class RuleClassifier:
    """The classifier of this file."""

    name = "rules-1"

    def classify(self, query: str) -> tuple[str, float]:
        """The label and the confidence of a query; no text is wrong."""
        return RULES[rule_for(query)]


def intents_by(classifier: Classifier, *, most_remembered: int = 4096) -> Callable[[str], Intent | None]:
    """What gives the intent of a query, or None where the classifier raised or said what the contract does not know.

    It remembers the queries met last: shops are asked the same few thousand things most of the time.

    Raises:
        ValueError: The classifier's name is not one that an event could carry.
    """
    name = classifier.name
    if not (1 <= len(name) <= _LONGEST_NAME and name.isprintable()):
        raise ValueError(f"the name of a classifier is 1 to {_LONGEST_NAME} printable characters")

    @lru_cache(most_remembered)
    def intent_of(query: str) -> Intent | None:
        try:
            label, confidence = classifier.classify(query)
            if label in LABELS and 0 <= confidence <= 1:
                return {"label": label, "confidence": float(confidence), "classifier": name}
        except Exception:  # noqa: BLE001, S110 - anybody's code: a search without an intent is still a search
            pass
        return None

    return intent_of


def rule_for(query: str) -> str:  # noqa: PLR0911 - one return for each rule, in their order
    """The name of the rule that decides."""
    tokens = normalised(query[:_LONGEST_QUERY]).split(None, _MOST_WORDS)[:_MOST_WORDS]
    if not tokens or (len(tokens) == 1 and len(tokens[0]) == 1):
        return "nonsense"
    if tokens[-1][-1] == "?":
        return "question_mark" if tokens != ["?"] else "nonsense"
    kinds, unknown, first = _kinds_of(tokens)
    if kinds & _REORDER:
        return "reorder"
    if kinds & _QUESTION and ((first & _QUESTION and len(tokens) > 2) or kinds & _ASKS):  # noqa: PLR2004 - "can opener"
        return "question_word"
    if kinds & _CODE:
        return "code"
    if kinds & _BRAND:
        return "brand"
    if kinds & _NAVIGATIONAL and not kinds & _CATEGORY:
        if kinds & _PAGE:
            return "page_phrase"
        if not unknown and not kinds & _DESCRIBES:
            return "page_word"
    return _about_products(kinds, unknown, tokens)


def _about_products(kinds: int, unknown: int, tokens: list[str]) -> str:
    """The rule of a query that names no page, no brand and no code."""
    if kinds & (_ATTRIBUTE | _SIZE):
        return "attribute" if unknown < _MANY_UNKNOWN else "unknown_many"
    if kinds & _CATEGORY:
        return "category" if unknown < _MANY_UNKNOWN else "unknown_many"
    if not unknown:
        return "nonsense"
    if kinds & _NUMBER:
        return "number"
    if len(tokens) == 1 and _is_gibberish(tokens[0]):
        return "nonsense"
    return "unknown_few" if unknown < _MANY_UNKNOWN else "unknown_many"


def _kinds_of(tokens: list[str]) -> tuple[int, int, int]:
    """The kinds of all words and phrases, how many words nobody knows, and the kinds of the first word."""
    found = unknown = first = place = 0
    count = len(tokens)
    while place < count:
        token = tokens[place]
        taken = 1
        kind = _WORDS.get(token)
        if kind is None:
            kind = _kind_of_unlisted(token)
            unknown += kind == _UNKNOWN
        elif kind & _BEGINS_PHRASE:
            for rest, meaning in _PHRASES[token]:
                if tokens[place + 1 : place + 1 + len(rest)] == rest:
                    kind, taken = meaning, 1 + len(rest)
                    break
            else:
                kind &= ~_BEGINS_PHRASE
                unknown += kind == 0
        if kind & _UNIT:
            kind = _SIZE if place and found & _NUMBER else (kind & ~_UNIT) or _UNKNOWN
        first = first if place else kind
        found |= kind
        place += taken
    return found, unknown, first


def _kind_of_unlisted(token: str) -> int:
    """The kind of a word that is on no list: by its digits, its punctuation, or the last part of a compound."""
    if _HAS_DIGIT(token):
        return _SIZE if _SIZE_FORM(token) else _NUMBER if _NUMBER_FORM(token) else _CODE
    bare = token.strip(_PUNCTUATION)
    if not bare:
        return 0
    if bare != token:
        return (_WORDS.get(bare, _UNKNOWN) & ~(_BEGINS_PHRASE | _UNIT)) or _UNKNOWN
    if len(token) >= _SHORTEST_COMPOUND:
        for start in range(3, len(token) - 3):
            if token[start:] in _HEADS:
                return _CATEGORY
    return _UNKNOWN


def _is_gibberish(token: str) -> bool:
    """No vowel, one or two letters over and over, or a run along the keyboard."""
    if not token.isascii() or not token.isalpha():
        return not any(character.isalnum() for character in token)
    return (
        not set(token) & _VOWELS
        or len(set(token)) <= 2  # noqa: PLR2004
        or (len(token) > 3 and (token in _KEYBOARD or token[::-1] in _KEYBOARD))  # noqa: PLR2004
        or _REPEATS(token) is not None
        or _CONSONANTS(token) is not None
    )


_REPEATS = re.compile(r"(.{2,})\1+").fullmatch
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{6}").search
_VOWELS = set("aeiouy")
_KEYBOARD = words.KEYBOARD_ROWS
_PUNCTUATION = ".,;:!?\"'()[]{}-_/#*&+"
_SHORTEST_COMPOUND = 7
_MANY_UNKNOWN = 3
_UNIT_FORMS = "|".join(sorted(map(re.escape, words.UNITS.split()), key=len, reverse=True))
_HAS_DIGIT = re.compile(r"[0-9]").search
_SIZE_FORM = re.compile(
    rf"[<>]?[0-9]+(?:[.,][0-9]+)?(?:(?:[x*/][0-9]+(?:[.,][0-9]+)?){{1,3}}(?:{_UNIT_FORMS})?|-?(?:{_UNIT_FORMS}))[.,]?"
    rf"|[0-9]{{1,3}}-[0-9]{{1,3}}(?:{_UNIT_FORMS})?"
).fullmatch
_NUMBER_FORM = re.compile(r"[#]?[0-9]{1,5}(?:[.,][0-9]{1,2})?[.,]?").fullmatch


def _tables() -> tuple[dict[str, int], dict[str, list[tuple[list[str], int]]], frozenset[str]]:
    """Every word with its kinds, every phrase by its first word, and the words a compound may end in."""
    kinds: dict[str, int] = {}
    for listed, kind in (
        (words.QUESTION_FIRST, _QUESTION),
        (words.REORDER_WORDS, _REORDER),
        (words.NAVIGATIONAL_WORDS, _NAVIGATIONAL),
        (words.ATTRIBUTE_WORDS, _ATTRIBUTE),
        (words.CATEGORIES, _CATEGORY),
        (words.BRANDS, _BRAND),
        (words.CODE_WORDS, _CODE),
        (words.FILLERS, _FILLER),
        (words.GIBBERISH, _NONSENSE),
        (words.UNITS, _UNIT),
    ):
        for word in listed.split():
            kinds[word] = kinds.get(word, 0) | kind
    for word in words.CATEGORIES.split():
        for ending in ("s", "es", "n", "en", "e", "er"):
            kinds.setdefault(word + ending, _CATEGORY)
    phrases: dict[str, list[tuple[list[str], int]]] = {}
    for listed, kind in (
        (words.QUESTION_PHRASES, _QUESTION | _ASKS),
        (words.REORDER_PHRASES, _REORDER),
        (words.NAVIGATIONAL_PHRASES, _NAVIGATIONAL | _PAGE),
        (words.ATTRIBUTE_PHRASES, _ATTRIBUTE),
    ):
        for line in listed.strip().splitlines():
            begin, *rest = line.split()
            phrases.setdefault(begin, []).append((rest, kind))
            kinds[begin] = kinds.get(begin, 0) | _BEGINS_PHRASE
    for rests in phrases.values():
        rests.sort(key=lambda phrase: len(phrase[0]), reverse=True)
    return kinds, phrases, frozenset(word for word in words.CATEGORIES.split() if len(word) > 3)  # noqa: PLR2004


_WORDS, _PHRASES, _HEADS = _tables()
