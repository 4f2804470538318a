"""Who looked up a user through the HTTP API."""

from datetime import datetime

from google.cloud import bigquery

from shopstream.schemas.lookup import Lookup
from shopstream.schemas.warehouse import LOOKUPS, dataset_id

from .settings import FeatureSettings
from .warehouse import Parameter, ask


def lookups_of(client: bigquery.Client, settings: FeatureSettings, user_id: str, since: datetime) -> list[Lookup]:
    """The look-ups of a user since then, the latest first.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    place = f"{dataset_id(settings, LOOKUPS.table.dataset)}.{LOOKUPS.table.name}"
    statement = (
        f"SELECT * FROM `{place}` WHERE looked_up_at >= @since AND user_id = @user_id "  # noqa: S608 - our own name
        "ORDER BY looked_up_at DESC, request_id"
    )
    asked = [Parameter("since", "TIMESTAMP", since), Parameter("user_id", "STRING", user_id)]
    return [Lookup.model_validate(row) for row in ask(client, settings, statement, asked)]
