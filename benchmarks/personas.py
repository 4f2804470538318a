"""`python -m benchmarks.personas --data DIRECTORY`: are personas stable, and do they tell customers apart? Two minutes.

The Complete Journey's households, personas computed every Monday from the SQL text, and what the households did in
the 28 days after the last Monday that has as many.
"""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import get_args

import click
import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.options import data_option
from benchmarks.reorder.probabilities import Journey
from benchmarks.reorder.sql_tier import connect, fill, give_profiles
from benchmarks.results import Rows, show, write
from shopstream.ml_features.models.histories import Flags, Floats
from shopstream.schemas.features import PersonaName

MONDAYS = tuple(date(2017, 7, 24) + timedelta(weeks=week) for week in range(11))
AFTER_DAYS = 28
RESAMPLES = 2000
STABILITY = "Personas of The Complete Journey: share of households and how many stay from Monday to Monday"
SEPARATION = f"What a persona's households did in the {AFTER_DAYS} days after, beside all others (95 % by household)"

_STABILITY = """
WITH pairs AS (
  SELECT one.window_days, one.persona, one.as_of, two.persona AS next_persona
  FROM personas AS one
  LEFT JOIN personas AS two
    ON one.user_id = two.user_id AND one.window_days = two.window_days AND two.as_of = one.as_of + 7
)
SELECT
  window_days,
  persona,
  COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY window_days) AS share,
  AVG(CASE WHEN as_of < $last THEN CAST(persona = next_persona AS INTEGER) END) AS stayed
FROM pairs
GROUP BY window_days, persona
"""
_AFTER = """
WITH before AS (
  SELECT DISTINCT user_id, product_id FROM purchases WHERE ordered_at < CAST($day + 1 AS TIMESTAMPTZ)
), after AS (
  SELECT purchases.user_id, order_id, purchases.product_id, unit_price * quantity AS paid,
    before.product_id IS NOT NULL AS again
  FROM purchases
  LEFT JOIN before ON purchases.user_id = before.user_id AND purchases.product_id = before.product_id
  WHERE ordered_at >= CAST($day + 1 AS TIMESTAMPTZ) AND ordered_at < CAST($day + 1 + $days AS TIMESTAMPTZ)
), sums AS (
  SELECT user_id, COUNT(DISTINCT order_id) AS orders, SUM(paid) AS spend, AVG(CAST(again AS INTEGER)) AS again
  FROM after
  GROUP BY user_id
)
SELECT personas.persona, COALESCE(sums.orders, 0)::DOUBLE, COALESCE(spend, 0)::DOUBLE, again::DOUBLE
FROM personas
LEFT JOIN sums ON personas.user_id = sums.user_id
WHERE as_of = $day AND window_days = $window_days
"""


@click.command(epilog="Example: python -m benchmarks.personas --data ../shared/data/orders")
@data_option
def main(data: Path) -> None:
    """Measure personas' shares, stability and separation, and print the tables."""
    connection = _computed(Journey(data).purchases)
    tables = {STABILITY: _stability(connection), SEPARATION: _separation(connection)}
    show(tables, [])
    write("personas", "Personas", tables, [], packages=("duckdb", "sqlglot", "numpy"))


def _computed(purchases: pa.Table) -> duckdb.DuckDBPyConnection:
    """The personas of every Monday, each from what was known by its end."""
    connection = connect(purchases)
    for monday in MONDAYS:
        click.echo(f"{monday} …", err=True)
        give_profiles(connection, monday)
        fill(connection, "personas", monday)
    return connection


def _stability(connection: duckdb.DuckDBPyConnection) -> Rows:
    found = {
        (window, persona): (share, stayed)
        for window, persona, share, stayed in connection.execute(_STABILITY, {"last": MONDAYS[-1]}).fetchall()
    }
    return [
        {"persona": persona, "window": f"{window} days", "share": f"{share:.1%}", "stay a week": f"{stayed:.1%}"}
        for window in (30, 180)
        for persona in get_args(PersonaName)
        if (window, persona) in found
        for share, stayed in [found[window, persona]]
    ]


def _separation(connection: duckdb.DuckDBPyConnection) -> Rows:
    asked = {"day": MONDAYS[-1], "days": AFTER_DAYS, "window_days": 180}
    rows = connection.execute(_AFTER, asked).fetchall()
    persona = np.array([row[0] for row in rows])
    orders, spend, again = (np.array([row[place] for row in rows], dtype=np.float64) for place in (1, 2, 3))
    return [
        {
            "persona": name,
            "households": int((persona == name).sum()),
            "orders": _beside(orders, persona == name),
            "spend": _beside(spend, persona == name),
            "lines bought before": _beside(again, persona == name),
        }
        for name in get_args(PersonaName)
        if (persona == name).any()
    ]


def _beside(values: Floats, inside: Flags) -> str:
    """The mean within, and the interval of its difference from the mean outside."""
    random = np.random.default_rng(0)
    known = ~np.isnan(values)
    mine, others = values[inside & known], values[~inside & known]

    def means(of: Floats) -> Floats:
        return np.array([of[random.integers(0, len(of), len(of))].mean() for _ in range(RESAMPLES)])

    low, high = np.percentile(means(mine) - means(others), [2.5, 97.5])
    return f"{mine.mean():.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    sys.exit(main())
