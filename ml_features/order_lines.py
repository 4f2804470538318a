"""The order lines of a table's query as arrays: what the model tier learns from and scores."""

from collections.abc import Iterable, Mapping
from typing import Any

from shopstream.schemas import SettingsError

from .models.histories import Histories, histories

Columns = Mapping[str, list[Any]]


def histories_of(columns: Columns) -> Histories:
    """Histories whose days count back from the end of as_of, which is 0.

    The columns are user_id, product_id, category, order_id, age_days, quantity and paid, one element a line.

    Raises:
        SettingsError: There is no line.
    """
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


def in_columns(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, list[Any]]:
    """Rows as one list a column; the same text is kept once."""
    known: dict[str, str] = {}
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for row in rows:
        for name, values in columns.items():
            value = row[name]
            values.append(known.setdefault(value, value) if isinstance(value, str) else value)
    return columns
