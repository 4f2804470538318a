"""`python -m benchmarks.reorder --data DIRECTORY`: two hours with every set."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click

from benchmarks.options import data_option
from benchmarks.results import show, write

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
@data_option
@click.option("--only", default="", help="Only the parts whose name contains this.")
def main(data: Path, only: str) -> None:
    """Measure the predictions of what is bought again and who returns; each part is kept when it is done."""
    for name, measure in PARTS.items():
        if only in name:
            click.echo(f"{name} …", err=True)
            found = measure(data)
            show(found.tables, found.goals)
            write("reorder", "Reorder predictions", found.tables, found.goals, packages=PACKAGES, part=name)


if __name__ == "__main__":
    sys.exit(main())
