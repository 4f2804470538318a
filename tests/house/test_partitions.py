"""No statement of ours reads more days than it asks about.

BigQuery leaves out partitions only where the partition column itself stands against constants or parameters, in the
same SELECT as the table. So that is what is looked for, in the parsed statement; the emulator gives no estimate.
"""

import re
from collections.abc import Iterator, Mapping

import pytest
import sqlglot
from sqlglot import exp

from shopstream.ml_features.catalog import FeatureTable, catalog
from shopstream.schemas import CloudSettings, read_settings
from shopstream.schemas.views import EXPORTS, PEOPLES_VIEWS, View
from shopstream.schemas.warehouse import FEATURES, RAW_TABLES

WHOLE = {"reorder_weights": "eleven numbers a day", "consent_record": "an old decision may be the one that counts"}
"""Tables that are read whole, and why that is right."""
WHOLE_VIEWS = {"cohort_retention": "who came first when is known from all sessions only, and those are kept 400 days"}
"""Views that read a table whole, and why that is right."""
PARTITIONS: Mapping[str, str] = {table.table.name: table.table.partition_by for table in RAW_TABLES.values()} | {
    name: table.table.partition_by for name, table in FEATURES.items() if name not in WHOLE
}
SETTINGS = read_settings(CloudSettings, {"GOOGLE_CLOUD_PROJECT": "shopstream-local"})
_BOUNDS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)


def scans(statement: str) -> Iterator[tuple[exp.Select, str, str]]:
    """Each SELECT with a partitioned table it reads, and the name it gives it."""
    tree = sqlglot.parse_one(statement, read="bigquery")
    names = PARTITIONS.keys() - {part.alias for part in tree.find_all(exp.CTE)}
    for select in tree.find_all(exp.Select):
        sources = [select.args.get("from_"), *(select.args.get("joins") or [])]
        for source in sources:
            table = source.this if source is not None else None
            if isinstance(table, exp.Table) and table.name.split(".")[-1] in names:
                yield select, table.name.split(".")[-1], table.alias_or_name.split(".")[-1]


def is_of(column: exp.Expression, table: str, alias: str, alone: bool) -> bool:
    return (
        isinstance(column, exp.Column)
        and column.name == PARTITIONS[table]
        and (column.table == alias or (not column.table and alone))
    )


def prunes(select: exp.Select, table: str, alias: str) -> bool:
    """Whether the SELECT bounds the partition column from below by what is known before it runs."""
    where = select.args.get("where")
    alone = not any(isinstance(join.this, exp.Table) for join in select.args.get("joins") or [])
    conditions = list(where.this.flatten()) if where is not None and isinstance(where.this, exp.And) else []
    if where is not None and not conditions:
        conditions = [where.this]
    for condition in conditions:
        if isinstance(condition, _BOUNDS) and is_of(condition.this, table, alias, alone):
            rest = [value for name, value in condition.args.items() if name != "this"]
            if not any(part.find(exp.Column, exp.Subquery, exp.Select) for part in rest if part is not None):
                return True
    return False


@pytest.mark.parametrize("table", catalog().values(), ids=lambda table: table.name)
def test_a_feature_table_reads_the_days_it_is_about(table: FeatureTable) -> None:
    found = list(scans(table.query))
    assert found
    assert [name for select, name, alias in found if not prunes(select, name, alias)] == []


@pytest.mark.parametrize("view", [*PEOPLES_VIEWS, *EXPORTS], ids=lambda view: view.name)
def test_a_view_bounds_the_days_or_leaves_that_to_its_reader(view: View) -> None:
    """A reader's condition reaches the table where the day leaves the view as it stands in the table."""
    for select, table, alias in scans(view.text(SETTINGS)):
        if prunes(select, table, alias) or view.name in WHOLE_VIEWS:
            continue
        day = PARTITIONS[table]
        assert select.parent is None or isinstance(select.parent, exp.Union), (
            f"{view.name} reads {table} whole within a part of its statement"
        )
        assert any(each.name == day or isinstance(each, exp.Star) for each in select.expressions)
        group = select.args.get("group")
        assert group is None or day in {each.name for each in group.expressions}
        # And the example shows how.
        assert re.search(rf"WHERE {day} >=", view.example or ""), view.example


@pytest.mark.parametrize(
    ("statement", "is_pruned"),
    [
        ("SELECT * FROM orders WHERE received_at >= TIMESTAMP(@as_of)", True),
        ("SELECT * FROM orders WHERE received_at BETWEEN @first_day AND @as_of AND user_id = 'u'", True),
        (
            "SELECT * FROM orders AS o JOIN searches AS s ON TRUE WHERE o.received_at = @as_of AND s.received_at > @x",
            True,
        ),
        ("SELECT * FROM orders", False),
        ("SELECT * FROM orders WHERE occurred_at >= @as_of", False),
        ("SELECT * FROM orders WHERE received_at >= @as_of OR user_id = 'u'", False),
        ("SELECT * FROM orders WHERE received_at = (SELECT MAX(received_at) FROM x)", False),
        ("SELECT * FROM orders WHERE received_at >= occurred_at", False),
        ("SELECT * FROM orders JOIN searches ON TRUE WHERE orders.received_at >= @as_of", False),
    ],
)
def test_the_rule_itself(statement: str, is_pruned: bool) -> None:
    assert all(prunes(select, table, alias) for select, table, alias in scans(statement)) is is_pruned
