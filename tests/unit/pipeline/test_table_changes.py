"""Which changes of a table are made and which are refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopstream.pipeline.table_changes import compare
from shopstream.schemas.bigquery_schema import Column
from shopstream.schemas.table import Dataset, Table
from shopstream.schemas.warehouse import ALL_TABLES, CONTRACT_LABEL, WarehouseTable

PLACE = Table("things", Dataset.RAW, partition_by="day", expiry_days=90, cluster_by=("a",))


def column(name: str, kind: str = "STRING", mode: str = "NULLABLE", *fields: Column) -> Column:
    return {"name": name, "type": kind, "mode": mode, "description": f"About {name}."} | (
        {"fields": list(fields)} if fields else {}
    )


def table(*columns: Column) -> WarehouseTable:
    return WarehouseTable(PLACE, columns, "Things.")


def as_found(wanted: WarehouseTable, **other: Any) -> dict[str, Any]:
    """The table as BigQuery would describe it."""
    return {
        "schema": {"fields": list(wanted.columns)},
        "timePartitioning": {
            "field": wanted.table.partition_by,
            "expirationMs": str((wanted.table.expiry_days or 0) * 86_400_000),
        },
        "clustering": {"fields": list(wanted.table.cluster_by)},
        "description": wanted.description,
        "labels": {CONTRACT_LABEL: wanted.contract},
    } | other


@pytest.mark.parametrize("wanted", ALL_TABLES, ids=lambda each: f"{each.table.dataset}.{each}")
def test_a_table_of_the_contract_does_not_differ_from_itself(wanted: WarehouseTable) -> None:
    assert compare(as_found(wanted), wanted).differences == ()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (column("a", "STRING", "REQUIRED"), column("a"), "column a is relaxed to NULLABLE"),
        (column("a", "INTEGER"), column("a", "NUMERIC"), "column a is widened from INTEGER to NUMERIC"),
        (column("a", "INT64"), column("a", "FLOAT"), "column a is widened from INTEGER to FLOAT"),
        (
            column("r", "RECORD", "REPEATED", column("x")),
            column("r", "RECORD", "REPEATED", column("x"), column("y", "STRING", "REQUIRED")),
            "column r.y is added",
        ),
    ],
)
def test_what_loses_nothing_is_made(old: Column, new: Column, what: str) -> None:
    wanted = table(new)
    found = as_found(wanted, schema={"fields": [old]})
    comparison = compare(found, wanted)
    assert [each.what for each in comparison.differences] == [what]
    assert comparison.refusals == []


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        (column("a"), column("a", "STRING", "REQUIRED"), "give the field a default"),
        (column("a"), column("a", "STRING", "REPEATED"), "one value cannot become many"),
        (column("a", "NUMERIC"), column("a", "INTEGER"), "NUMERIC cannot become INTEGER"),
        (column("a", "INTEGER", "REPEATED"), column("a", "NUMERIC", "REPEATED"), "cannot become"),
        (
            column("r", "RECORD", "NULLABLE", column("x", "INTEGER")),
            column("r", "RECORD", "NULLABLE", column("x", "NUMERIC")),
            "give the new values a field of another name",
        ),
        (
            column("r", "RECORD", "NULLABLE", column("x"), column("y")),
            column("r", "RECORD", "NULLABLE", column("x")),
            "DROP COLUMN r.y",
        ),
    ],
)
def test_what_might_lose_something_is_refused_with_the_way_round(old: Column, new: Column, refusal: str) -> None:
    wanted = table(new)
    (refused,) = compare(as_found(wanted, schema={"fields": [old]}), wanted).refusals
    assert refusal in (refused.refused or "")


def test_rows_may_be_kept_longer_and_not_shorter() -> None:
    wanted = table(column("a"))
    for kept, refused in ((30, False), (400, True)):
        partitioning = {"field": "day", "expirationMs": str(kept * 86_400_000)}
        (difference,) = compare(as_found(wanted, timePartitioning=partitioning), wanted).differences
        assert (difference.refused is not None) is refused
    (limited,) = compare(as_found(wanted, timePartitioning={"field": "day"}), wanted).differences
    assert limited.refused


names = st.sampled_from("abcdef")
kinds = st.sampled_from(["STRING", "INTEGER", "NUMERIC", "FLOAT"])
modes = st.sampled_from(["NULLABLE", "REQUIRED", "REPEATED"])
leaves = st.builds(column, names, kinds, modes)
columns = st.lists(leaves, min_size=1, max_size=6, unique_by=lambda each: each["name"])


@given(columns, columns)
def test_what_is_applied_without_refusal_leaves_no_difference(old: list[Column], new: list[Column]) -> None:
    wanted = table(*new)
    comparison = compare(as_found(wanted, schema={"fields": old}), wanted)
    if not comparison.refusals:
        after = as_found(wanted, schema={"fields": list(comparison.columns)})
        assert compare(after, wanted).differences == ()
        # And what was there is still in its place.
        assert [each["name"] for each in comparison.columns[: len(old)]] == [each["name"] for each in old]
