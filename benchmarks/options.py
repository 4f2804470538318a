"""Options that several benchmarks have."""

from pathlib import Path

import click

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="The folder with the order histories, as Parquet files.",
)
