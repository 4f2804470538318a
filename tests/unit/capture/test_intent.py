"""How good the rules are on a list nobody tuned them to, and what they promise for any text at all."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.capture import intent_words
from shopstream.capture.intent import LABELS, RULES, RuleClassifier, intents_by, rule_for
from shopstream.schemas.normalised_query import normalised

classify = RuleClassifier().classify

PAGE = Path(__file__).parents[3] / "docs/intent.md"
LABELLED = [
    (label, query)
    for label, query in (line.split("\t") for line in (Path(__file__).parent / "intents.tsv").read_text().splitlines())
]


def half(query: str) -> int:
    """0: the rules were made with it; 1: they were not."""
    return hashlib.sha256(query.encode()).digest()[0] % 2


DEVELOPMENT = [(label, query) for label, query in LABELLED if half(query) == 0]
HELD_OUT = [(label, query) for label, query in LABELLED if half(query) == 1]


def test_the_list_is_large_enough_and_holds_nothing_twice() -> None:
    assert len(LABELLED) >= 400
    assert len({normalised(query) for _, query in LABELLED}) == len(LABELLED)
    assert min(Counter(label for label, _ in HELD_OUT).values()) >= 20
    assert {label for label, _ in LABELLED} == LABELS


def test_the_page_of_intents_says_how_good_they_are_on_the_held_out_half() -> None:
    right = sum(classify(query)[0] == label for label, query in HELD_OUT)
    lines = [f"{right} of {len(HELD_OUT)} ({right / len(HELD_OUT):.0%})"]
    for label in sorted(LABELS):
        given_label = [is_label for is_label, query in HELD_OUT if classify(query)[0] == label]
        meant = [query for is_label, query in HELD_OUT if is_label == label]
        hits = given_label.count(label)
        lines.append(f"| `{label}` | {len(meant)} | {hits / len(given_label):.2f} | {hits / len(meant):.2f} |")
    page = PAGE.read_text()
    assert [line for line in lines if line not in page] == []


def test_the_confidence_of_a_rule_is_its_precision_on_the_development_half() -> None:
    """With one right and one wrong answer added (Laplace), so that a rule that fired twice is not certain."""
    fired = Counter(rule_for(query) for _, query in DEVELOPMENT)
    right = Counter(rule_for(query) for label, query in DEVELOPMENT if RULES[rule_for(query)][0] == label)
    assert {rule: confidence for rule, (_, confidence) in RULES.items()} == {
        rule: round((right[rule] + 1) / (fired[rule] + 2), 2) for rule in RULES
    }


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("What IS oat milk", "question"),
        ("\uff37\uff28\uff21\uff34 \uff49\uff53 oat milk", "question"),
        ("Où est mon colis", "question"),
        ("wie letztes Mal", "reorder"),
        ("Öffnungszeiten", "navigational"),
        ("oeffnungszeiten und kontakt", "category"),  # A spelling nobody listed: known to be wrong.
        ("4006381333931", "product"),
        ("500 ml", "attribute"),
        ("Müsli", "category"),
        ("haselnussmilch", "category"),
        ("", "other"),
        ("  ", "other"),
        ("?", "other"),
        ("\u200b", "other"),
    ],
)
def test_a_query_and_its_label(query: str, label: str) -> None:
    assert classify(query)[0] == label


@given(st.text(max_size=400))
def test_any_text_has_a_label_and_always_the_same(query: str) -> None:
    label, confidence = classify(query)
    assert label in LABELS
    assert 0 < confidence < 1
    assert classify(query) == (label, confidence)


@given(st.sampled_from([query for _, query in LABELLED]))
def test_capitals_and_blanks_do_not_matter(query: str) -> None:
    assert classify(f"  {query.upper().replace(' ', '   ')} ") == classify(query)


class Broken:
    name = "broken-1"

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def classify(self, query: str) -> tuple[str, float]:
        del query
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer  # type: ignore[return-value]


@pytest.mark.parametrize(
    "answer",
    [ValueError("milk"), None, "category", ("milk", 0.5), ("category", 2), ("category", None), ("category",), 3],
)
def test_a_classifier_that_fails_or_talks_nonsense_gives_no_intent(answer: object) -> None:
    assert intents_by(Broken(answer))("milk") is None


def test_a_classifier_of_ones_own_is_asked() -> None:
    intent = {"label": "category", "confidence": 1.0, "classifier": "broken-1"}
    assert intents_by(Broken(("category", 1)))("milk") == intent


@pytest.mark.parametrize("name", ["", "x" * 257, "two\nlines"])
def test_a_classifier_needs_a_name_that_an_event_can_carry(name: str) -> None:
    classifier = Broken(("category", 1))
    classifier.name = name
    with pytest.raises(ValueError, match="1 to 256"):
        intents_by(classifier)


def test_the_queries_met_last_are_remembered_and_no_more() -> None:
    asked: list[str] = []

    class Listening:
        name = "listening-1"

        def classify(self, query: str) -> tuple[str, float]:
            asked.append(query)
            return "other", 0.5

    intent_of = intents_by(Listening(), most_remembered=2)
    for query in ("a", "a", "b", "c", "a"):
        intent_of(query)
    assert asked == ["a", "b", "c", "a"]


def test_the_words_of_the_rules_are_in_the_form_queries_are_brought_to() -> None:
    lists = {name: value for name, value in vars(intent_words).items() if name.isupper()}
    assert [name for name, value in lists.items() if normalised(value) != value] == []
