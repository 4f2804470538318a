"""`python -m benchmarks.reorder.speed --data DIRECTORY`: the speed of the SQL tier, some three minutes."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from pyarrow import parquet

from benchmarks.options import data_option
from benchmarks.reorder.probabilities import Journey
from benchmarks.reorder.sql_tier import AS_OF
from benchmarks.reorder.tables import Measured
from benchmarks.results import Rows, at_most, show, write
from shopstream.schemas.live.reorders import Rhythms

from . import subjects

SPEED = "Order lines to scored pairs, in DuckDB on two cores, a process each"
ONLINE = "One user's list of twenty after an order, from the user's lines, in Python"
MOST_JOURNEY_SECONDS, MOST_BY_HAND, MOST_MEGABYTES, MOST_MICROSECONDS = 10.0, 1.5, 2048.0, 5000.0


@click.command(epilog="Example: python -m benchmarks.reorder.speed --data ../shared/data/orders")
@data_option
def main(data: Path) -> None:
    """Measure the speed of the SQL tier and of one user's update, and print the tables."""
    found = speed_tables(data)
    show(found.tables, found.goals)
    write("reorder-speed", "Reorder speed", found.tables, found.goals, packages=("duckdb", "sqlglot", "numpy"))


def speed_tables(directory: Path) -> Measured:
    """Seconds and memory of the SQL tier on The Complete Journey and on synthetic lines, and of one user online."""
    journey = Journey(directory)
    rows: Rows = []
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        real, synthetic = Path(folder) / "journey.parquet", Path(folder) / "synthetic.parquet"
        parquet.write_table(journey.purchases, real)
        subjects.write_synthetic(synthetic)
        for title, file, lines, as_of in (
            ("The Complete Journey", real, len(journey.purchases), journey.last_day),
            ("synthetic", synthetic, subjects.SYNTHETIC_LINES, AS_OF),
        ):
            found[title] = [subjects.run(file, subject, as_of) for subject in subjects.SUBJECTS]
            rows += [
                {
                    "lines of": title,
                    "lines": lines,
                    "what": subject,
                    "seconds": f"{each['seconds']:.1f}",
                    "pairs": each["pairs"],
                    "peak memory, MB": f"{each['peak_mb']:,.0f}",
                }
                for subject, each in zip(subjects.SUBJECTS, found[title], strict=True)
            ]
    ours, plain = found["synthetic"]
    micros = subjects.online_updates(journey.lines_by_household(), Rhythms({}))
    online = [
        {
            "households": len(micros),
            "median": f"{np.median(micros) / 1000:.2f} ms",
            "99 of 100 within": f"{np.percentile(micros, 99) / 1000:.2f} ms",
            "longest": f"{micros.max() / 1000:.2f} ms",
        }
    ]
    return Measured(
        {SPEED: rows, ONLINE: online},
        [
            at_most(
                "The Complete Journey: seconds of features and scores",
                MOST_JOURNEY_SECONDS,
                found["The Complete Journey"][0]["seconds"],
            ),
            at_most("Ten million lines: times a plain query by hand", MOST_BY_HAND, ours["seconds"] / plain["seconds"]),
            at_most("Ten million lines: megabytes", MOST_MEGABYTES, ours["peak_mb"]),
            at_most("One user online: microseconds, median", MOST_MICROSECONDS, float(np.median(micros))),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
