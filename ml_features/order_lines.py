"""The order lines of a table's query as arrays: what the model tier learns from and scores."""

from collections.abc import Iterable, Mapping
from typing import Any

from shopstream.schemas import SettingsError

from .models.histories import Histories, histories

COLUMNS = ("user_id", "product_id", "order_id", "category", "age_days", "quantity", "paid")


def histories_of(rows: Iterable[Mapping[str, Any]]) -> Histories:
    """Histories of rows with COLUMNS, one a line; days count back from the end of as_of, which is 0.

    Raises:
        SettingsError: There is no line.
    """
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    known: dict[str, str] = {}
    for row in rows:
        for name, values in columns.items():
            value = row[name]
            # The same text is kept once: there are millions of lines.
            values.append(known.setdefault(value, value) if isinstance(value, str) else value)
    if not columns["user_id"]:
        raise SettingsError(
            "nothing was bought in the year up to this date: there is nothing to learn from or to score"
        )
    return histories(
        user=columns["user_id"],
        basket=columns["order_id"],
        product=columns["product_id"],
        day=[-age for age in columns["age_days"]],
        quantity=columns["quantity"],
        value=columns["paid"],
        group=[category or "" for category in columns["category"]],
    )
