"""The distribution of the next date, in words."""

from datetime import UTC, date, datetime

import pytest

from shopstream.schemas.features import Reorder, ReorderInputs, next_in_words

INPUTS = ReorderInputs.model_validate(dict.fromkeys(ReorderInputs.model_fields, 0.0))


@pytest.mark.parametrize(
    ("early", "middle", "late", "words"),
    [
        (2.6, 12.2, 45.0, "in about 12 days (3 to 45)"),
        (2.6, 12.2, None, "in about 12 days (3 to over a year)"),
        (80.0, None, None, "in 80 days or much later"),
        (None, None, None, "hardly within a year"),
    ],
)
def test_when_the_next_purchase_is_expected(
    early: float | None, middle: float | None, late: float | None, words: str
) -> None:
    reorder = Reorder(
        as_of=date(2026, 3, 31),
        user_id="u1",
        product_id="milk",
        rank=1,
        probability=0.5,
        next_in_days_early=early,
        next_in_days_middle=middle,
        next_in_days_late=late,
        purchases=1,
        last_purchased_at=datetime(2026, 3, 1, tzinfo=UTC),
        days_since_last=31,
        decayed_purchases=0.8,
        inputs=INPUTS,
    )
    assert next_in_words(reorder) == words
