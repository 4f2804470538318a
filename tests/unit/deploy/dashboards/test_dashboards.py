"""Charts, the page and the Grafana file agree with each other and with the views."""

import json
from datetime import date
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from deploy.dashboards.grafana import dashboard
from deploy.dashboards.page import figure, page
from shopstream.ml_features.charts.chart import CHARTS, SQL, Chart
from shopstream.schemas import ALL_VIEWS

DAY = date(2026, 11, 20)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_reads_views_only_and_says_what_it_shows(chart: Chart) -> None:
    views = {view.name for view in ALL_VIEWS}
    tree = sqlglot.parse_one(chart.text("project.shopstream"), read="bigquery")
    assert {table.name.split(".")[-1] for table in tree.find_all(exp.Table)} <= views
    assert chart.statement.startswith("-- ")
    assert isinstance(tree, exp.Select)
    named = {expression.alias_or_name for expression in tree.selects}
    assert {name for name in (chart.x, *chart.y, chart.series) if name} <= named


def test_every_statement_is_of_a_chart() -> None:
    assert {path.name.removesuffix(".sql") for path in SQL.iterdir()} == {chart.name for chart in CHARTS}


def test_grafana_asks_the_same_questions_of_its_own_range() -> None:
    panels = json.loads(dashboard())["panels"]
    assert [panel["title"] for panel in panels] == [chart.title for chart in CHARTS]
    for panel in panels:
        text = panel["targets"][0]["rawSql"]
        assert "@" not in text.replace("@as_of", "")
        assert sqlglot.parse_one(text.replace("$__from", "1").replace("$__to", "2"), read="bigquery")
    assert len({tuple(panel["gridPos"].items()) for panel in panels}) == len(panels)


def value_of(name: str, number: int) -> Any:
    return (
        DAY if name in ("day", "cohort_week") else number if name not in ("stage", "intent", "query") else f"t{number}"
    )


def test_names_with_markup_are_text_in_the_page() -> None:
    rows: dict[str, list[dict[str, Any]]] = {chart.name: [] for chart in CHARTS}
    rows["top_queries"] = [
        {"query": "<script>alert(1)</script>", "intent": "&", "users": 1, "clicked": 0, "ordered": None}
    ]
    text = page(rows, DAY, DAY)
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count("Nothing in these days.") == len(CHARTS) - 1


@pytest.mark.parametrize("chart", [chart for chart in CHARTS if chart.kind != "table"], ids=lambda chart: chart.name)
def test_a_picture_draws_every_row(chart: Chart) -> None:
    names = [name for name in (chart.x, *chart.y, chart.series) if name]
    rows = [{name: value_of(name, number) for name in names} for number in range(3)]
    drawn = figure(chart, rows).to_dict()["data"]
    assert drawn
    if chart.kind == "heatmap":
        assert sum(cell is not None for line in drawn[0]["z"] for cell in line) >= 1
    else:
        assert sum(len(trace["x"]) for trace in drawn) == 3 * (1 if chart.series else len(chart.y))
