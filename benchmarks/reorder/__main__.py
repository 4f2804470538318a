"""`python -m benchmarks.reorder --data DIRECTORY`: about an hour with every set."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click

from benchmarks.results import Goal, Rows, show, write

from .sets import NEXT_BASKET_SETS
from .tables import Measured, customer_table, next_basket_table, probability_table, repeat_item_table

PACKAGES = ("lightgbm", "scikit-learn", "scipy", "numpy", "duckdb")

PARTS: Mapping[str, Callable[[Path], Measured]] = {
    **{each.title: partial(next_basket_table, each) for each in NEXT_BASKET_SETS},
    "Instacart": repeat_item_table,
    "The Complete Journey": probability_table,
    "CDNOW": customer_table,
}


@click.command(epilog="Example: python -m benchmarks.reorder --data ../shared/data/orders --only CDNOW")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="The folder with the order histories, as Parquet files.",
)
@click.option("--only", default="", help="Only the parts whose name contains this; nothing is then written.")
def main(data: Path, only: str) -> None:
    """Measure the predictions of what is bought again and who returns, and print the tables."""
    tables: dict[str, Rows] = {}
    goals: list[Goal] = []
    for name, measure in PARTS.items():
        if only not in name:
            continue
        click.echo(f"{name} …", err=True)
        found = measure(data)
        goals += found.goals
        for heading, rows in found.tables.items():
            tables.setdefault(heading, []).extend(rows)
        show(found.tables, found.goals)
    if not only:
        write("reorder", "Reorder predictions", tables, goals, packages=PACKAGES)


if __name__ == "__main__":
    sys.exit(main())
