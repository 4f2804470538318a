"""The charts: a query each, and how its rows are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Literal

SQL = files(__package__) / "sql"
Kind = Literal["line", "bar", "stacked", "funnel", "heatmap", "table"]


@dataclass(frozen=True)
class Chart:
    """One picture."""

    name: str
    """That of its file in sql/."""
    title: str
    kind: Kind
    x: str | None = None
    """The column along the bottom; of a heatmap the columns' names."""
    y: tuple[str, ...] = ()
    """The columns drawn; of a heatmap the rows' names and the value."""
    series: str | None = None
    """The column that tells lines or bars apart."""

    @cached_property
    def statement(self) -> str:
        """Standard SQL; `{dataset}` stands for the dataset of the views, @first_day and @last_day for the range."""
        return (SQL / f"{self.name}.sql").read_text(encoding="utf-8").strip()

    @property
    def meaning(self) -> str:
        """What it shows, the first line of its file."""
        return self.statement.partition("\n")[0].removeprefix("-- ")

    def text(self, dataset: str, days: Mapping[str, str] | None = None) -> str:
        """The statement for a dataset; `days` gives other words for the parameters."""
        text = self.statement.format(dataset=dataset)
        for parameter, words in (days or {}).items():
            text = text.replace(f"@{parameter}", words)
        return text


CHARTS: tuple[Chart, ...] = (
    Chart("active_users", "Active users", "line", x="day", y=("users", "buyers", "sessions")),
    Chart("funnel", "From search to order", "funnel", x="stage", y=("searches",)),
    Chart("searches_by_intent", "Searches by intent", "stacked", x="day", y=("searches",), series="intent"),
    Chart("click_rate_by_position", "Click rate by position", "bar", x="position", y=("click_rate",)),
    Chart("top_queries", "Most searched", "table", y=("query", "intent", "users", "clicked", "ordered")),
    Chart(
        "unsuccessful_queries",
        "Unsuccessful searches",
        "table",
        y=("query", "intent", "users", "without_results", "abandoned"),
    ),
    Chart("orders_and_revenue", "Revenue", "line", x="day", y=("revenue",), series="currency"),
    Chart("top_products", "Most ordered", "table", y=("product_id", "orders", "clicks", "shown")),
    Chart("journeys", "How sessions begin and end", "heatmap", x="exit_step", y=("entry_step", "sessions")),
    Chart("retention", "Weekly retention", "heatmap", x="weeks_later", y=("cohort_week", "retention")),
    Chart("quality", "Data quality", "table", y=("rule", "verdict", "value", "least", "most")),
)
"""In the order they are shown."""
