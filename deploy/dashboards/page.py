"""The charts as one HTML page that needs nothing else: the chart library is in it, no request leaves the machine."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

from shopstream.ml_features.charts.chart import CHARTS, Chart

Row = Mapping[str, Any]

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shopstream</title>
<style>
  :root {{ color-scheme: light; }}
  body {{ font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 1.5rem; color: #1d2433; }}
  h1 {{ margin: 0; }}
  main {{ display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); }}
  section {{ border: 1px solid #d9dee8; border-radius: 8px; padding: 1rem; min-width: 0; overflow-x: auto; }}
  h2 {{ font-size: 1.05rem; margin: 0; }}
  p {{ color: #566074; margin: 0 0 .5rem; }}
  table {{ border-collapse: collapse; width: 100%; font-size: .9rem; }}
  th, td {{ text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #eceff5; }}
  th:not(:first-child), td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
</style>
</head>
<body>
<h1>Shopstream</h1>
<p>{first_day} to {last_day}</p>
<main>
"""
_LAYOUT = {"template": "plotly_white", "height": 320, "margin": {"l": 50, "r": 20, "t": 10, "b": 40}}


def page(rows: Mapping[str, Sequence[Row]], first_day: date, last_day: date) -> str:
    """The page for these rows, by chart."""
    parts = [_HEAD.format(first_day=first_day, last_day=last_day)]
    library: bool | str = True  # With the first picture, once.
    for chart in CHARTS:
        parts.append(f"<section><h2>{escape(chart.title)}</h2><p>{escape(chart.meaning)}</p>\n")
        if not rows[chart.name]:
            parts.append("<p>Nothing in these days.</p>")
        elif chart.kind == "table":
            parts.append(_table(chart, rows[chart.name]))
        else:
            picture = figure(chart, rows[chart.name])
            options = {"responsive": True, "displayModeBar": False}
            parts.append(pio.to_html(picture, include_plotlyjs=library, full_html=False, config=options))
            library = False
        parts.append("</section>\n")
    return "".join([*parts, "</main>\n</body>\n</html>\n"])


def figure(chart: Chart, rows: Sequence[Row]) -> go.Figure:
    """A chart's picture."""
    names = chart.y
    if chart.kind == "heatmap":
        down, value = names
        picture = go.Figure(go.Heatmap(**_grid(rows, str(chart.x), down, value), colorscale="Blues"))
        # Names, not places on a scale.
        picture.update_xaxes(type="category").update_yaxes(type="category")
    elif chart.kind == "funnel":
        picture = go.Figure(go.Funnel(y=_column(rows, str(chart.x)), x=_column(rows, names[0])))
    else:
        picture = go.Figure([_trace(chart, name, part) for name, part in _series(chart, rows)])
        picture.update_layout(barmode="stack" if chart.kind == "stacked" else "group")
    return picture.update_layout(**_LAYOUT)


def _series(chart: Chart, rows: Sequence[Row]) -> list[tuple[str, Sequence[Row]]]:
    """What each line or bar is called, and its rows."""
    if chart.series is None:
        return [(name, rows) for name in chart.y]
    kinds = sorted({str(row[chart.series]) for row in rows})
    return [(kind, [row for row in rows if str(row[chart.series]) == kind]) for kind in kinds]


def _trace(chart: Chart, name: str, rows: Sequence[Row]) -> go.Scatter | go.Bar:
    x, y = _column(rows, str(chart.x)), _column(rows, chart.y[0] if chart.series else name)
    return go.Scatter(x=x, y=y, name=name, mode="lines") if chart.kind == "line" else go.Bar(x=x, y=y, name=name)


def _grid(rows: Sequence[Row], across: str, down: str, value: str) -> dict[str, list[Any]]:
    columns = sorted({row[across] for row in rows})
    lines = sorted({row[down] for row in rows})
    cells = {(row[down], row[across]): _plain(row[value]) for row in rows}
    return {
        "x": [str(column) for column in columns],
        "y": [str(line) for line in lines],
        "z": [[cells.get((line, column)) for column in columns] for line in lines],
    }


def _column(rows: Sequence[Row], name: str) -> list[Any]:
    return [_plain(row[name]) for row in rows]


def _plain(value: Any) -> Any:  # noqa: ANN401 - a cell of any table
    return value if value is None or isinstance(value, str | int | float) else _number_or_text(value)


def _number_or_text(value: Any) -> float | str:  # noqa: ANN401 - as above
    return value.isoformat() if isinstance(value, date) else float(value)


def _table(chart: Chart, rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in chart.y)
    body = "".join(f"<tr>{''.join(_cell(row[name]) for name in chart.y)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _cell(value: Any) -> str:  # noqa: ANN401 - as above
    if value is None:
        return "<td></td>"
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    return f'<td class="number">{float(value):,.6g}</td>'
