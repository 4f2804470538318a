"""What the charts draw, asked of a warehouse."""

from datetime import date

from google.cloud import bigquery

from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

from ..settings import FeatureSettings
from ..warehouse import Parameter, Row, ask
from .chart import CHARTS, Chart


def rows_of_charts(
    client: bigquery.Client, settings: FeatureSettings, first_day: date, last_day: date
) -> dict[str, list[Row]]:
    """What each chart draws, by its name.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A view is missing.
    """
    return {chart.name: rows_of_chart(client, settings, chart, first_day, last_day) for chart in CHARTS}


def rows_of_chart(
    client: bigquery.Client, settings: FeatureSettings, chart: Chart, first_day: date, last_day: date
) -> list[Row]:
    """What one chart draws.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A view is missing.
    """
    statement = chart.text(dataset_id(settings, Dataset.VIEWS))
    days = {"first_day": first_day, "last_day": last_day}
    parameters = [Parameter(name, "DATE", day) for name, day in days.items() if f"@{name}" in statement]
    return ask(client, settings, statement, parameters)
