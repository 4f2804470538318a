"""`make dashboard`: the charts of a warehouse as one HTML page."""

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

import click

from shopstream.ml_features.charts.chart import CHARTS
from shopstream.ml_features.charts.rows import rows_of_charts
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import connect
from shopstream.schemas import SettingsError, Unavailable, read_settings
from shopstream.schemas.exit_status import ExitStatus

from .page import page

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--to", "last", type=_DAY, required=True, help="The last day shown.")
@click.option("--days", default=28, show_default=True, type=click.IntRange(1, 400), help="How many days are shown.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="FILE.html.")
def main(last: datetime, days: int, output: Path) -> None:
    """Draw the analysts' charts of a warehouse on one page that needs nothing else.

    Example: python -m deploy.dashboards --to 2026-11-20 --output dashboard.html
    """
    try:
        settings = read_settings(FeatureSettings, os.environ)
        first_day = last.date() - timedelta(days=days - 1)
        rows = rows_of_charts(connect(settings), settings, first_day, last.date())
    except SettingsError as error:
        click.echo(f"dashboards: {error}", err=True)
        sys.exit(ExitStatus.SETTINGS)
    except Unavailable as error:
        click.echo(f"dashboards: {error}", err=True)
        sys.exit(ExitStatus.UNAVAILABLE)
    output.write_text(page(rows, first_day, last.date()), encoding="utf-8")
    click.echo(f"{output}: {sum(bool(each) for each in rows.values())} of {len(CHARTS)} charts have something to show")


if __name__ == "__main__":
    main()
