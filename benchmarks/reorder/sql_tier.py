"""The SQL tier without a warehouse around it: the text of reorders/query.sql, translated, in DuckDB."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import sqlglot

from shopstream.ml_features.catalog import feature_table
from shopstream.ml_features.models.histories import Floats, Ints
from shopstream.ml_features.models.reorder import BOUGHT, INPUTS
from shopstream.schemas.live.reorders import INTERCEPT
from shopstream.schemas.warehouse import FEATURES

_DUCKDB = {
    "STRING": "VARCHAR",
    "FLOAT": "DOUBLE",
    "INTEGER": "BIGINT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMPTZ",
    "NUMERIC": "DECIMAL(38, 9)",
}
AS_OF = date(2026, 6, 30)
"""The benchmark's histories are moved so that what is asked comes after this day."""


def statement_of(table: str, as_of: date = AS_OF) -> str:
    """The query.sql of a feature table for DuckDB, with its parameters filled in."""
    text = feature_table(table).query
    text = text.replace("@as_of", f"DATE '{as_of.isoformat()}'").replace("@allowed_otherwise", "TRUE")
    return sqlglot.transpile(text, read="bigquery", write="duckdb")[0]


def reorders_statement(as_of: date = AS_OF) -> str:
    """reorders/query.sql for DuckDB, with its parameters filled in."""
    return statement_of("reorders", as_of)


def fill(connection: duckdb.DuckDBPyConnection, table: str, as_of: date = AS_OF) -> None:
    """Compute a feature table for a date and add it to what its table holds, which is made where it is missing."""
    columns = ", ".join(f'"{column["name"]}" {_DUCKDB[column["type"]]}' for column in FEATURES[table].columns)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
    connection.execute(f"INSERT INTO {table} BY NAME {statement_of(table, as_of)}")


def give_profiles(connection: duckdb.DuckDBPyConnection, as_of: date = AS_OF) -> None:
    """What other tables read of `profiles`: who there is, how often the user ordered and since when.

    And no catalogue and no interactions: the histories have none.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS profiles (as_of DATE, user_id VARCHAR, orders BIGINT, first_order_at TIMESTAMPTZ)"
    )
    connection.execute(
        "INSERT INTO profiles SELECT $day, user_id, COUNT(DISTINCT order_id), MIN(ordered_at) FROM purchases "
        "WHERE ordered_at < CAST($day + 1 AS TIMESTAMPTZ) GROUP BY user_id",
        {"day": as_of},
    )
    moments = "traffic VARCHAR, occurred_at TIMESTAMPTZ, received_at TIMESTAMPTZ, imported BOOLEAN"
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS interactions (user_id VARCHAR, product_id VARCHAR, action VARCHAR, {moments})"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS products (product_id VARCHAR, name VARCHAR, category VARCHAR[], brand VARCHAR, "
        f"price DECIMAL(38, 9), currency VARCHAR, availability VARCHAR, {moments})"
    )


def purchases_of(*, user: Ints, product: Ints, order: Ints, age_days: Floats) -> pa.Table:
    """Order lines of users and products by number, so many days before the end of AS_OF."""
    end = np.datetime64(datetime.combine(AS_OF + timedelta(days=1), time()), "us")
    return pa.table(
        {
            "user_id": pa.array(user).cast(pa.string()),
            "product_id": pa.array(product).cast(pa.string()),
            "category": pa.nulls(len(user), pa.string()),
            "order_id": pa.array(order).cast(pa.string()),
            "ordered_at": pa.array(end - (age_days * 86_400_000_000).astype("timedelta64[us]")),
            "quantity": pa.array(np.ones(len(user), dtype=np.int64)),
        }
    )


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
    for column, kind in (("brand", "VARCHAR"), ("currency", "VARCHAR DEFAULT 'EUR'"), ("unit_price", "DOUBLE")):
        connection.execute(f"ALTER TABLE purchases ADD COLUMN IF NOT EXISTS {column} {kind}")
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
