"""Datasets, tables and views as Terraform makes them, from the definitions the code uses."""

import json
from collections.abc import Mapping
from typing import Any

from shopstream.schemas import ALL_TABLES, ALL_VIEWS
from shopstream.schemas.landing import (
    LANDING_COLUMNS,
    LANDING_DESCRIPTION,
    LANDING_EXPIRY_DAYS,
    LANDING_SUFFIX,
    LANDING_TABLE,
    PUBLISHED_AT,
)
from shopstream.schemas.table import Dataset
from shopstream.schemas.views import View
from shopstream.schemas.warehouse import CONTRACT_LABEL, WarehouseTable

_MILLISECONDS_A_DAY = 86_400_000
_DATASETS: Mapping[Dataset, str] = {
    Dataset.VIEWS: "What people query: views in which every event_id appears once.",
    Dataset.RAW: "Events as they were streamed in; duplicates possible. For views and jobs.",
    Dataset.STABLE: "Events of closed days, each once. For views and jobs.",
    Dataset.FAILED: "Failed events with their original bytes: personal data with few readers.",
    Dataset.FEATURES: "What feature jobs compute of people.",
    Dataset.AGGREGATES: "What feature jobs compute that is about nobody.",
    Dataset.OPS: "How the pipeline itself is doing.",
    Dataset.PRIVACY: "Who allowed what, who asked to be erased, who looked up whom.",
}
TIME_TRAVEL_HOURS = 48
"""As short as BigQuery allows: so long deleted rows can still be read."""


def warehouse_json() -> str:
    """deploy/terraform/generated/warehouse.json; what views leave in braces Terraform fills in."""
    value = {
        "datasets": [
            {"suffix": str(dataset), "description": text, "max_time_travel_hours": TIME_TRAVEL_HOURS}
            for dataset, text in _DATASETS.items()
        ],
        "tables": [_table(table) for table in ALL_TABLES],
        "views": [_view(view) for view in ALL_VIEWS],
        "landing": {
            "suffix": LANDING_SUFFIX,
            "description": "Events as Pub/Sub wrote them, until `shopstream-pipeline land` moves them; for nobody.",
            "max_time_travel_hours": TIME_TRAVEL_HOURS,
            "expiration_ms": LANDING_EXPIRY_DAYS * _MILLISECONDS_A_DAY,
            "table": {
                "name": LANDING_TABLE,
                "description": LANDING_DESCRIPTION,
                "schema": list(LANDING_COLUMNS),
                "partition_field": PUBLISHED_AT,
            },
        },
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _table(table: WarehouseTable) -> dict[str, Any]:
    place = table.table
    return {
        "dataset": str(place.dataset),
        "name": place.name,
        "description": table.description,
        "schema": list(table.columns),
        "partition_field": place.partition_by,
        "expiration_ms": None if place.expiry_days is None else place.expiry_days * _MILLISECONDS_A_DAY,
        "clustering": list(place.cluster_by),
        "labels": {CONTRACT_LABEL: table.contract},
    }


def _view(view: View) -> dict[str, Any]:
    return {
        "dataset": str(view.dataset),
        "name": view.name,
        "description": view.description,
        "query": view.statement.replace("{raw_from}", "0001-01-01"),
    }
