"""`python -m benchmarks.reorder --data DIRECTORY`: about forty minutes with every set."""

import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.results import Goal, write

from .sets import NEXT_BASKET_SETS, measured, reached, rows

PACKAGES = ("lightgbm", "scikit-learn", "scipy", "numpy", "duckdb")
NEXT_BASKET = "Next basket: the first ten of a ranking, averaged over users"


@click.command(epilog="Example: python -m benchmarks.reorder --data ../shared/data/orders --only Ta-Feng")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="The folder with the order histories, as Parquet files.",
)
@click.option("--only", default="", help="Only the sets whose title contains this; nothing is then written.")
def main(data: Path, only: str) -> None:
    """Measure the predictions of what is bought again, and print the tables."""
    tables: dict[str, list[dict[str, Any]]] = {NEXT_BASKET: []}
    goals: list[Goal] = []
    for each in NEXT_BASKET_SETS:
        if only not in each.title:
            continue
        click.echo(f"{each.title} …", err=True)
        found = measured(each, data)
        tables[NEXT_BASKET] += rows(each, found)
        goals += [Goal(goal, limit, value, value >= limit) for goal, limit, value in reached(each, found)]
        for row in rows(each, found):
            click.echo("  ".join(str(value) for value in row.values()))
    for goal in goals:
        click.echo(f"{'reached' if goal.holds else 'NOT reached'}: {goal.goal} {goal.measured} (goal {goal.limit})")
    if not only:
        write("reorder", "Reorder predictions", tables, goals, packages=PACKAGES)


if __name__ == "__main__":
    sys.exit(main())
