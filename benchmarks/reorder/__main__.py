"""`python -m benchmarks.reorder --data DIRECTORY`: about an hour with every set."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click

from benchmarks.results import Goal, write

from .sets import NEXT_BASKET_SETS
from .tables import Rows, customer_table, next_basket_table, probability_table, repeat_item_table

PACKAGES = ("lightgbm", "scikit-learn", "scipy", "numpy", "duckdb")
NEXT_BASKET = "Next basket: the first ten of a ranking, averaged over users"
REPEAT_ITEMS = "Instacart by CASE's protocol: the first five of what was bought before"
PROBABILITIES = "The Complete Journey: pairs bought at least twice, as-of snapshots"
CUSTOMERS = "CDNOW: 39 weeks known, 39 predicted"


PARTS: Mapping[str, tuple[str, Callable[[Path], tuple[Rows, list[Goal]]]]] = {
    **{each.title: (NEXT_BASKET, partial(next_basket_table, each)) for each in NEXT_BASKET_SETS},
    "Instacart": (REPEAT_ITEMS, repeat_item_table),
    "The Complete Journey": (PROBABILITIES, probability_table),
    "CDNOW": (CUSTOMERS, customer_table),
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
    for name, (heading, measure) in PARTS.items():
        if only not in name:
            continue
        click.echo(f"{name} …", err=True)
        found, reached_goals = measure(data)
        tables.setdefault(heading, []).extend(found)
        goals += reached_goals
        for row in found:
            click.echo("  ".join(str(value) for value in row.values()))
    for goal in goals:
        click.echo(f"{'reached' if goal.holds else 'NOT reached'}: {goal.goal} {goal.measured} (goal {goal.limit})")
    if not only:
        write("reorder", "Reorder predictions", tables, goals, packages=PACKAGES)


if __name__ == "__main__":
    sys.exit(main())
