"""A warehouse for the SQL cases: one set of datasets, emptied before each case."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from google.cloud import bigquery

from deploy.local.stack import LocalStack
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import ask, connect, load_rows
from shopstream.pipeline.tables import apply_tables
from shopstream.schemas import read_settings
from shopstream.schemas.warehouse import FEATURES, RAW_TABLES, WarehouseTable, dataset_id

Row = dict[str, Any]

TABLES: dict[str, WarehouseTable] = {table.table.name: table for table in (*RAW_TABLES.values(), *FEATURES.values())}

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT: Row = {"schema_version": 1, "source": "shop", "imported": False, "occurred_at": MOMENT}
OMITTED: dict[str, Row] = {
    "orders": EVENT | {"event_type": "order", "status": "placed", "currency": "EUR", "total_amount": 1},
    "searches": EVENT | {"event_type": "search", "query": "milk", "page": 1},
    "interactions": EVENT | {"event_type": "interaction", "action": "click", "product_id": "milk"},
    "consents": EVENT | {"event_type": "consent", "purpose": "analytics", "granted": True, "policy_version": "v1"},
    "search_outcomes": {
        "pages": 1,
        "clicks": 0,
        **dict.fromkeys(("without_results", "clicked", "carted", "ordered", "abandoned"), False),
    },
    "sessions": {
        "started_at": MOMENT,
        "ended_at": MOMENT,
        "entry_step": "view",
        "exit_step": "view",
        **dict.fromkeys(("searches", "views", "clicks", "cart_adds", "orders"), 0),
    },
    "product_days": {
        "views": 0,
        **dict.fromkeys(("cart_adds", "cart_removes", "favourites", "returns"), 0),
    },
    "purchases": {
        "product_id": "milk",
        "status": "placed",
        "ordered_at": MOMENT,
        "quantity": 1,
        "unit_price": 1,
        "currency": "EUR",
    },
}
"""What a case need not say about a row."""
SETTINGS = {
    "BIGQUERY_DATASET": "cases",
    "AGGREGATES_MINIMUM_USERS": "3",
    "AGGREGATES_ROUNDING": "1",
    # The day of the cases is the last of such a window.
    "AGGREGATES_WINDOW_DAYS": "26",
}
OMITTED_ITEM: Row = {"quantity": 1, "unit_price": 1}


@dataclass(frozen=True)
class Cases:
    """Where cases run."""

    client: bigquery.Client
    settings: FeatureSettings
    filled: set[str] = field(default_factory=set)
    """Tables that hold anything."""

    def give(self, folder: Path) -> None:
        """Empty the tables of the case before, then fill those the case has a file for."""
        places = (self.place(TABLES[name]) for name in sorted(self.filled))
        emptied = [f"DELETE FROM `{place}` WHERE TRUE" for place in places]  # noqa: S608 - our names
        if emptied:
            ask(self.client, self.settings, ";\n".join(emptied))
        self.filled.clear()
        for file in sorted(folder.glob("*.yaml")):
            self.filled.add(file.stem)
            rows = [completed(file.stem, number, row) for number, row in enumerate(read(file))]
            table = TABLES[file.stem]
            load_rows(self.client, self.client.get_table(self.place(table)), rows)

    def place(self, table: WarehouseTable) -> str:
        """project.dataset.table."""
        return f"{dataset_id(self.settings, table.table.dataset)}.{table.table.name}"


@pytest.fixture(scope="session")
def cases(stack: LocalStack) -> Iterator[Cases]:
    settings = read_settings(FeatureSettings, {**stack.environment, **SETTINGS})
    client = connect(settings)
    apply_tables(client, settings)
    yield Cases(client, settings)
    client.close()


def read(file: Path) -> list[Row]:
    rows = yaml.safe_load(file.read_text())
    assert isinstance(rows, list), f"{file} is not a list of rows"
    return rows


def completed(table: str, number: int, row: Row) -> Row:
    """The row as BigQuery loads it: what was omitted added, times in UTC, amounts as text."""
    whole = {**OMITTED.get(table, {}), **row}
    if "event_type" in whole:
        whole.setdefault("event_id", f"00000000-0000-7000-8000-{number:012}")
        whole.setdefault("received_at", whole["occurred_at"])
        whole.setdefault("ingested_at", whole["received_at"])
        if "items" in whole:
            whole["items"] = [{**OMITTED_ITEM, **item} for item in whole["items"]]
    if table == "purchases":
        whole.setdefault("known_at", whole["ordered_at"])
        whole.setdefault("order_id", f"order-{number}")
        whole.setdefault("received_on", moment(whole["known_at"]).date())
    return {name: plain(value, kinds(table).get(name)) for name, value in whole.items()}


@cache
def kinds(table: str) -> dict[str, str]:
    return {column["name"]: column["type"] for column in TABLES[table].columns}


def plain(value: Any, kind: str | None) -> Any:
    if kind == "TIMESTAMP":
        return moment(value).isoformat()
    if kind == "NUMERIC":
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def moment(value: date | datetime) -> datetime:
    """A date is its first moment; a time without a zone is UTC."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone follows
    return value.replace(tzinfo=value.tzinfo or UTC)


def same(expected: Any, found: Any) -> bool:
    """Equal as a person means it: 1 is 1.00, 2026-03-01 as a time is its first moment, floats to a millionth.

    Of a record only the fields are compared that the case names.
    """
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(same(value, found[name]) for name, value in expected.items())
    if isinstance(found, datetime):
        return isinstance(expected, date) and moment(expected) == found
    if isinstance(found, float) or isinstance(expected, float):
        return found is not None and expected is not None and abs(float(found) - float(expected)) < 1e-6
    if isinstance(found, Decimal):
        return Decimal(str(expected)) == found
    return bool((found or None) == (expected or None)) if isinstance(expected, list) else bool(found == expected)
