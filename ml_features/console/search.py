"""What shoppers look for and how far they get, and what experiments found."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request, Response

from shopstream.schemas.experiment import read_experiments

from ..charts.chart import CHARTS
from ..charts.rows import rows_of_chart
from ..experiments.report import METRICS, report
from ..warehouse import Row
from .console import Console

DAYS = 28
_SHOWN = ("funnel", "searches_by_intent", "click_rate_by_position", "top_queries", "unsuccessful_queries")


class Search:
    """The analysts' pages."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._charts = {chart.name: chart for chart in CHARTS if chart.name in _SHOWN}

    async def search(self, request: Request) -> Response:
        """The funnel, by day, by place, by query; of queries only what enough users searched for."""
        reads = {name: partial(self._rows, name) for name in _SHOWN}
        figures = await self._console.read("search", {**reads, "last_day": self._console.latest_day})
        values = {"title": "Search", "days": DAYS, **figures}
        return self._console.show(request, "search.html", values)

    async def experiments(self, request: Request) -> Response:
        """What is compared, and what was found until yesterday."""
        figures = await self._console.read("experiments", {"reports": self._reports})
        values = {"title": "Experiments", "metrics": METRICS, **figures}
        return self._console.show(request, "experiments.html", values)

    def _rows(self, name: str) -> list[Row]:
        desk, last_day = self._console.desk, self._console.latest_day()
        first_day = last_day - timedelta(days=DAYS - 1)
        chart = self._charts[name]
        if name in ("top_queries", "unsuccessful_queries"):
            # The last window may have ended before these days.
            first_day -= timedelta(days=desk.settings.aggregates_window_days)
        return rows_of_chart(desk.client, desk.settings, chart, first_day, last_day)

    def _reports(self) -> list[dict[str, Any]] | None:
        desk = self._console.desk
        if desk.api.experiments_file is None:
            return None
        experiments = read_experiments(Path(desk.api.experiments_file))
        as_of = self._console.latest_day()
        return [
            {"experiment": each, "report": report(desk.client, desk.settings, each, as_of)}
            for each in experiments.values()
        ]
