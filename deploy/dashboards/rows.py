"""What the charts draw, asked of a warehouse."""

from datetime import date

from google.cloud import bigquery

from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import Parameter, ask
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

from .charts import CHARTS
from .page import Row


def rows_of_charts(
    client: bigquery.Client, settings: FeatureSettings, first_day: date, last_day: date
) -> dict[str, list[Row]]:
    """What each chart draws.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A view is missing.
    """
    dataset = dataset_id(settings, Dataset.VIEWS)
    found: dict[str, list[Row]] = {}
    for chart in CHARTS:
        statement = chart.text(dataset)
        days = {"first_day": first_day, "last_day": last_day}
        parameters = [Parameter(name, "DATE", day) for name, day in days.items() if f"@{name}" in statement]
        found[chart.name] = list(ask(client, settings, statement, parameters))
    return found
