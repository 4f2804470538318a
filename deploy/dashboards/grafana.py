"""The charts as a Grafana dashboard for its BigQuery data source, to be imported as a file."""

import json
from typing import Any

from shopstream.ml_features.charts.chart import CHARTS, Chart, Kind

_PANELS: dict[Kind, str] = {
    "line": "timeseries",
    "stacked": "barchart",
    "bar": "barchart",
    "funnel": "barchart",
    "heatmap": "table",
    "table": "table",
}
"""Grafana has no funnel and no heatmap of categories; a table says the same."""
_DAYS = {
    "first_day": "DATE(TIMESTAMP_MILLIS($__from))",
    "last_day": "DATE(TIMESTAMP_MILLIS($__to))",
}
_TABLE_FORMAT = 1
_WIDTH, _HEIGHT, _COLUMNS = 12, 9, 2


def dashboard(dataset: str = "shopstream") -> str:
    """The dashboard as JSON; on import Grafana asks for the data source."""
    source = {"type": "grafana-bigquery-datasource", "uid": "${DS_BIGQUERY}"}
    value: dict[str, Any] = {
        "__inputs": [
            {
                "name": "DS_BIGQUERY",
                "label": "BigQuery",
                "type": "datasource",
                "pluginId": "grafana-bigquery-datasource",
                "pluginName": "Google BigQuery",
            }
        ],
        "title": "Shopstream",
        "uid": "shopstream-basics",
        "schemaVersion": 39,
        "tags": ["shopstream"],
        "time": {"from": "now-28d", "to": "now"},
        "timezone": "utc",
        "panels": [_panel(number, chart, dataset, source) for number, chart in enumerate(CHARTS)],
    }
    return json.dumps(value, indent=2) + "\n"


def _panel(number: int, chart: Chart, dataset: str, source: dict[str, str]) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    target = {
        "refId": "A",
        "datasource": source,
        "editorMode": "code",
        "format": _TABLE_FORMAT,
        "rawQuery": True,
        "rawSql": chart.text(dataset, _DAYS),
    }
    return {
        "id": number + 1,
        "type": _PANELS[chart.kind],
        "title": chart.title,
        "description": chart.meaning,
        "datasource": source,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "targets": [target],
    }
