"""What every event type and every table owes the people in them and the people who read them."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from shopstream.schemas import ALL_TABLES, ALL_VIEWS, EVENT_TYPES
from shopstream.schemas.bigquery_schema import Column
from shopstream.schemas.table import Dataset
from shopstream.schemas.views import (
    ARRIVALS_VIEW,
    BALANCE_VIEW,
    EXPORTS,
    FRESHNESS_VIEW,
    MINUTES_VIEW,
    OPEN_FAILURES_VIEW,
    PEOPLES_VIEWS,
)
from shopstream.schemas.warehouse import (
    ERASED_NUMBERS,
    ERASURES,
    INSTRUCTION_OUTCOMES,
    INSTRUCTIONS,
    LOOKUPS,
    RAW_TABLES,
    REPLAYS,
    WarehouseTable,
)

ROOT = Path(__file__).parents[2]


def all_columns(columns: Iterable[Column]) -> Iterable[Column]:
    for column in columns:
        yield column
        yield from all_columns(column.get("fields", ()))


@pytest.mark.parametrize("table", ALL_TABLES, ids=str)
def test_a_table_holding_user_id_is_erased_or_says_why_not(table: WarehouseTable) -> None:
    names = {column["name"] for column in table.columns}
    assert table.table.erase_by in names or table.table.erasure_exempt or "user_id" not in names


@pytest.mark.parametrize("table", ALL_TABLES, ids=str)
def test_every_column_says_what_it_means(table: WarehouseTable) -> None:
    assert [column["name"] for column in all_columns(table.columns) if len(column["description"]) < 10] == []


@pytest.mark.parametrize("table", ALL_TABLES, ids=str)
def test_a_table_is_partitioned_by_a_day_of_its_own_and_expires(table: WarehouseTable) -> None:
    kinds = {column["name"]: column["type"] for column in table.columns}
    assert kinds[table.table.partition_by] in {"TIMESTAMP", "DATE"}
    assert table.table.expiry_days
    assert set(table.table.cluster_by) <= set(kinds)
    assert len(table.table.cluster_by) <= 4


@pytest.mark.parametrize("table", RAW_TABLES.values(), ids=str)
def test_raw_events_expire_after_ninety_days(table: WarehouseTable) -> None:
    assert (table.table.dataset, table.table.partition_by, table.table.expiry_days) == (Dataset.RAW, "received_at", 90)


def test_an_event_type_is_a_file_and_a_file_is_an_event_type() -> None:
    files = {path.stem for path in (ROOT / "schemas/events").glob("*.py")} - {"__init__"}
    assert files == set(EVENT_TYPES)


def test_people_can_query_every_table_through_a_view() -> None:
    viewed = {view.name.removesuffix("_once") for view in ALL_VIEWS}
    # Replays are seen beside the failed events they are of, the record of consent in its periods, erased numbers in the
    # ledger; requests to erase are seen by `privacy list`, look-ups and instructions by `shopstream-features audit`.
    audited = (LOOKUPS, INSTRUCTIONS, INSTRUCTION_OUTCOMES)
    elsewhere = {each.table.name for each in (REPLAYS, ERASURES, ERASED_NUMBERS, *audited)} | {"consent_record"}
    of_many = {
        ARRIVALS_VIEW,
        OPEN_FAILURES_VIEW,
        BALANCE_VIEW,
        MINUTES_VIEW,
        FRESHNESS_VIEW,
        "consent_periods",
        "consent_states",
    }
    of_many |= {view.name for view in (*PEOPLES_VIEWS, *EXPORTS)}
    assert viewed == {table.table.name for table in ALL_TABLES} - elsewhere | of_many
