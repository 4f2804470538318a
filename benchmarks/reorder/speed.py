"""How fast the SQL tier is: features and scores of real and of ten million synthetic order lines, each in a process.

`python -m benchmarks.reorder.speed FILE SUBJECT` runs one subject over a file of lines; prints seconds and memory.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np

from shopstream.ml_features.models.histories import Ints
from shopstream.ml_features.models.reorder import DEFAULT_WEIGHTS
from shopstream.schemas.live.purchase_lines import PurchaseLine
from shopstream.schemas.live.reorders import Rhythms, reorders

from .sql_tier import AS_OF, connect_file, give_weights, reorders_statement

SYNTHETIC_LINES = 10_000_000
MEMORY = "1400MB"
"""What DuckDB may take; it spills to disk beyond."""

SYNTHETIC = """
COPY (
  SELECT
    'u' || (line % {users}) AS user_id,
    'p' || CAST(FLOOR(20000 * POW(random(), 3)) AS INTEGER) AS product_id,
    'c' || CAST(FLOOR(300 * POW(random(), 2)) AS INTEGER) AS category,
    'o' || (line % {users}) || '-' || CAST(line // {users} // 8 AS INTEGER) AS order_id,
    TIMESTAMP '{last}' - INTERVAL 1 MINUTE * CAST(525000 * (line // {users} // 8) / {orders} + (line % {users}) % 500
      AS INTEGER) AS ordered_at,
    1 AS quantity
  FROM (SELECT UNNEST(RANGE({lines})) AS line)
) TO '{file}' (FORMAT PARQUET)
"""

PLAIN = """
CREATE TABLE found AS
WITH spaced AS (
  SELECT
    user_id,
    product_id,
    ordered_at,
    EPOCH(ordered_at - LAG(ordered_at) OVER (PARTITION BY user_id, product_id ORDER BY ordered_at)) / 86400 AS gap
  FROM purchases
), pairs AS (
  SELECT
    user_id,
    product_id,
    COUNT(*) AS purchases,
    MAX(ordered_at) AS last_purchased_at,
    AVG(gap) AS mean_gap_days,
    SUM(POW(2, -EPOCH(TIMESTAMPTZ '{end}' - ordered_at) / 86400 / 90)) AS decayed_purchases
  FROM spaced
  GROUP BY user_id, product_id
)
SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY decayed_purchases DESC, product_id) AS place FROM pairs
"""
"""What one writes by hand for DuckDB: count, last, mean gap, decayed count and a rank."""


def write_synthetic(file: Path, lines: int = SYNTHETIC_LINES) -> None:
    """Lines of users with 200 lines each over a year, eight an order; the same every time."""
    users = lines // 200
    with duckdb.connect() as connection:
        connection.execute("SELECT SETSEED(0.5)")
        connection.execute("SET threads = 1")  # or chance depends on which thread asks first
        connection.execute(SYNTHETIC.format(users=users, lines=lines, orders=25, last=f"{AS_OF} 12:00:00", file=file))


def _shopstream(connection: duckdb.DuckDBPyConnection) -> None:
    give_weights(connection, DEFAULT_WEIGHTS)
    connection.execute(f"CREATE TABLE found AS {reorders_statement()}")


def _plain(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(PLAIN.format(end=f"{AS_OF} 23:59:59.999999+00"))


SUBJECTS: Mapping[str, Callable[[duckdb.DuckDBPyConnection], None]] = {
    "shopstream, SQL tier: 26 inputs, two probabilities, three dates, rank": _shopstream,
    "by hand for DuckDB: count, last, gap, decayed count, rank": _plain,
}


def run(file: Path, subject: str) -> dict[str, Any]:
    """Seconds and megabytes of a subject over a file, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.reorder.speed", str(file), subject]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure(file: Path, subject: str) -> dict[str, Any]:
    connection = connect_file(file, MEMORY)
    started = time.perf_counter()
    SUBJECTS[subject](connection)
    seconds = time.perf_counter() - started
    (pairs,) = connection.execute("SELECT COUNT(*) FROM found").fetchall()[0]
    return {"seconds": seconds, "pairs": pairs, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def online_updates(lines_by_user: Mapping[int, list[PurchaseLine]], rhythms: Rhythms) -> Ints:
    """Microseconds from a user's lines to the first twenty products, of each user; the median of three."""
    found = []
    for user, lines in lines_by_user.items():
        moment = max(line.ordered_at for line in lines)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            reorders(str(user), lines, moment, rhythms, DEFAULT_WEIGHTS, most=20)
            times.append(time.perf_counter() - started)
        found.append(median(times) * 1e6)
    return np.array(found, dtype=np.int64)


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), sys.argv[2])))  # noqa: T201 - read by `run`
