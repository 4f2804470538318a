"""The SQL tier without a warehouse around it: the text of reorders/query.sql, translated, in DuckDB."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import sqlglot

from shopstream.ml_features.catalog import feature_table
from shopstream.ml_features.models.histories import Floats
from shopstream.ml_features.models.reorder import BOUGHT, INPUTS
from shopstream.schemas.live.reorders import INTERCEPT

AS_OF = date(2026, 6, 30)
"""The benchmark's histories are moved so that what is asked comes after this day."""


def reorders_statement(as_of: date = AS_OF) -> str:
    """reorders/query.sql for DuckDB, with its parameters filled in."""
    text = feature_table("reorders").query
    text = text.replace("@as_of", f"DATE '{as_of.isoformat()}'").replace("@allowed_otherwise", "TRUE")
    return sqlglot.transpile(text, read="bigquery", write="duckdb")[0]


def connect(purchases: pa.Table) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with the tables the statement reads: these purchases, nobody's refusal and no weights yet.

    The purchases have the columns user_id, product_id, category, order_id, ordered_at and quantity.
    """
    connection = duckdb.connect()
    connection.register("given", purchases)
    return _with_tables(connection)


def connect_file(lines: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """The same in a database on disk beside a Parquet file of lines, with so much memory at most."""
    database = lines.with_suffix(".duckdb")
    database.unlink(missing_ok=True)
    connection = duckdb.connect(str(database), config={"memory_limit": memory})
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"CREATE VIEW given AS SELECT * FROM read_parquet('{lines}')")  # noqa: S608 - our own name
    return _with_tables(connection)


def _with_tables(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.execute("SET TimeZone = 'UTC'")
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


def unweighted_inputs(connection: duckdb.DuckDBPyConnection, as_of: date = AS_OF) -> tuple[pa.Table, Floats]:
    """The user and product of each pair, and its INPUTS as columns; any weights given before are gone."""
    give_weights(connection, {horizon: {INTERCEPT: 0.0} for horizon in BOUGHT}, as_of)
    columns = ", ".join(f"inputs.{name}::DOUBLE" for name in INPUTS)
    statement = f"SELECT user_id, product_id, {columns} FROM ({reorders_statement(as_of)})"  # noqa: S608 - our own text
    table = connection.execute(statement).to_arrow_table()
    return table.select(["user_id", "product_id"]), np.column_stack([each.to_numpy() for each in table.columns[2:]])
