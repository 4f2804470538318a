"""The SQL tier without a warehouse around it: the text of reorders/query.sql, translated, in DuckDB."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import sqlglot

from shopstream.ml_features.catalog import feature_table

AS_OF = date(2026, 6, 30)
"""The benchmark's histories are moved so that what is asked comes after this day."""


def reorders_statement(as_of: date = AS_OF) -> str:
    """reorders/query.sql for DuckDB, with its parameters filled in."""
    text = feature_table("reorders").query
    text = text.replace("@as_of", f"DATE '{as_of.isoformat()}'").replace("@allowed_otherwise", "TRUE")
    return sqlglot.transpile(text, read="bigquery", write="duckdb")[0]


def connect(purchases: pa.Table, directory: Path | None = None, memory: str | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB with the tables the statement reads: these purchases, nobody's refusal and no weights yet.

    Args:
        purchases: Columns user_id, product_id, category, order_id, ordered_at and quantity.
        directory: Where it may spill, if memory is short.
        memory: The most it may take, as DuckDB writes it: 2GB.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    if memory is not None:
        connection.execute(f"SET memory_limit = '{memory}'")
    if directory is not None:
        connection.execute(f"SET temp_directory = '{directory}'")
    connection.register("given", purchases)
    connection.execute(
        "CREATE TABLE purchases AS SELECT * REPLACE (CAST(ordered_at AS TIMESTAMPTZ) AS ordered_at), "
        "'placed' AS status, CAST(ordered_at AS TIMESTAMPTZ) AS known_at, "
        "CAST(ordered_at AS DATE) AS received_on FROM given"
    )
    connection.execute("CREATE TABLE consent_states (user_id VARCHAR, purpose VARCHAR, granted BOOLEAN)")
    connection.execute("CREATE TABLE reorder_weights (as_of DATE, horizon_days BIGINT, feature VARCHAR, weight DOUBLE)")
    return connection


def give_weights(
    connection: duckdb.DuckDBPyConnection, weights: Mapping[int, Mapping[str, float]], as_of: date = AS_OF
) -> None:
    """Put these weights, by horizon and feature, in place of any there are."""
    connection.execute("DELETE FROM reorder_weights")
    for horizon, by_feature in weights.items():
        for feature, weight in by_feature.items():
            connection.execute("INSERT INTO reorder_weights VALUES (?, ?, ?, ?)", [as_of, horizon, feature, weight])
