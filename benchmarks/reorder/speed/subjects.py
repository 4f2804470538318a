"""Features and scores of real and of ten million synthetic order lines, each in a process.

`python -m benchmarks.reorder.speed.subjects FILE SUBJECT DAY` runs one subject over a
file of lines and prints seconds and memory.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import duckdb
import numpy as np

from benchmarks.reorder.sql_tier import AS_OF, connect_file, give_weights, reorders_statement
from shopstream.ml_features.models.histories import Ints
from shopstream.ml_features.models.reorder import DEFAULT_WEIGHTS
from shopstream.schemas.live.purchase_lines import PurchaseLine
from shopstream.schemas.live.reorders import Rhythms, reorders

SYNTHETIC_LINES = 10_000_000
MEMORY = "1600MB"
"""What DuckDB may take; it spills to disk beyond."""

SYNTHETIC = """
COPY (
  SELECT
    'u' || (line % {users}) AS user_id,
    'p' || product AS product_id,
    'c' || product % 300 AS category,
    'o' || (line % {users}) || '-' || CAST(line // {users} // 8 AS INTEGER) AS order_id,
    TIMESTAMP '{last}' - INTERVAL 1 MINUTE * CAST(525000 * (line // {users} // 8) / {orders} + (line % {users}) % 500
      AS INTEGER) AS ordered_at,
    1 AS quantity
  FROM (
    SELECT line, ((line % {users}) * 7919 + CAST(FLOOR(60 * POW(random(), 2)) AS BIGINT)) % 20000 AS product
    FROM (SELECT UNNEST(RANGE({lines})) AS line)
  )
) TO '{file}' (FORMAT PARQUET)
"""

PLAIN = """
CREATE TABLE found AS
WITH aged AS (
  SELECT user_id, product_id, ({end} - EPOCH_US(ordered_at)) / 86400e6 AS age FROM purchases
), spaced AS (
  SELECT *, LAG(age) OVER (PARTITION BY user_id, product_id ORDER BY age DESC) - age AS gap FROM aged
), pairs AS (
  SELECT
    user_id,
    product_id,
    COUNT(*) AS purchases,
    MIN(age) AS days_since_last,
    AVG(gap) AS mean_gap_days,
    SUM(POW(2, -age / 90)) AS decayed_purchases
  FROM spaced
  GROUP BY user_id, product_id
)
SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY decayed_purchases DESC, product_id) AS place FROM pairs
"""
"""What one writes by hand for DuckDB: count, last, mean gap, decayed count and a rank."""


def write_synthetic(file: Path, lines: int = SYNTHETIC_LINES) -> None:
    """Lines of users with 200 lines each over a year, eight an order, of sixty products each; the same every time."""
    users = lines // 200
    with duckdb.connect() as connection:
        connection.execute("SELECT SETSEED(0.5)")
        connection.execute("SET threads = 1")  # or chance depends on which thread asks first
        connection.execute(SYNTHETIC.format(users=users, lines=lines, orders=25, last=f"{AS_OF} 12:00:00", file=file))


def _shopstream(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    give_weights(connection, DEFAULT_WEIGHTS, as_of)
    connection.execute(f"CREATE TABLE found AS {reorders_statement(as_of)}")


def _plain(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    end = datetime.combine(as_of, time.max, UTC)
    connection.execute(PLAIN.format(end=round(end.timestamp() * 1e6)))


SUBJECTS: Mapping[str, Callable[[duckdb.DuckDBPyConnection, date], None]] = {
    "shopstream, SQL tier: 26 inputs, two probabilities, three dates, rank": _shopstream,
    "by hand for DuckDB: count, last, gap, decayed count, rank": _plain,
}


def run(file: Path, subject: str, as_of: date = AS_OF) -> dict[str, Any]:
    """Seconds and megabytes of a subject over a file, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.reorder.speed.subjects", str(file), subject, str(as_of)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure(file: Path, subject: str, as_of: date) -> dict[str, Any]:
    connection = connect_file(file, MEMORY)
    started = perf_counter()
    SUBJECTS[subject](connection, as_of)
    seconds = perf_counter() - started
    (pairs,) = connection.execute("SELECT COUNT(*) FROM found").fetchall()[0]
    return {"seconds": seconds, "pairs": pairs, "peak_mb": _peak_megabytes()}


def _peak_megabytes() -> float:
    # Not getrusage: a process begun by another counts that one's memory too.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def online_updates(lines_by_user: Mapping[int, list[PurchaseLine]], rhythms: Rhythms) -> Ints:
    """Microseconds from a user's lines to the first twenty products, of each user; the median of three."""
    found = []
    for user, lines in lines_by_user.items():
        moment = max(line.ordered_at for line in lines)
        times = []
        for _ in range(3):
            started = perf_counter()
            reorders(str(user), lines, moment, rhythms, DEFAULT_WEIGHTS, most=20)
            times.append(perf_counter() - started)
        found.append(median(times) * 1e6)
    return np.array(found, dtype=np.int64)


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), sys.argv[2], date.fromisoformat(sys.argv[3]))))  # noqa: T201 - read by `run`
