"""The audit: who looked up a user, and who asked the pipeline for what, in one list."""

from datetime import datetime

from google.cloud import bigquery

from shopstream.schemas.envelope import Record, UtcDatetime
from shopstream.schemas.lookup import ApiRole
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

from .settings import FeatureSettings
from .warehouse import Parameter, ask

# An instruction about a user who was erased is gone; its outcome, which says nothing of the user, stays.
_ENTRIES = """
SELECT
  looked_up_at AS happened_at, 'looked up' AS what, key_name, role, user_id, route AS detail,
  CAST(NULL AS STRING) AS reason, CAST(status AS STRING) AS outcome, request_id AS reference
FROM `{privacy}.lookups`
WHERE looked_up_at >= @since AND (@user_id IS NULL OR user_id = @user_id)
UNION ALL
SELECT
  asked_at, kind, key_name, role, user_id,
  NULLIF(ARRAY_TO_STRING([product_id, purpose, IF(granted, 'allowed', IF(granted IS NULL, NULL, 'refused')),
    failed_stage, failed_reason, failed_field], ' '), ''),
  reason, CAST(NULL AS STRING), instruction_id
FROM `{privacy}.instructions`
WHERE asked_at >= @since AND (@user_id IS NULL OR user_id = @user_id)
UNION ALL
SELECT ended_at, CONCAT(kind, ' carried out'), key_name, role, CAST(NULL AS STRING), detail, CAST(NULL AS STRING),
  status, instruction_id
FROM `{privacy}.instruction_outcomes`
WHERE ended_at >= @since AND (@user_id IS NULL OR instruction_id IN (
  SELECT instruction_id FROM `{privacy}.instructions` WHERE user_id = @user_id AND asked_at >= @since
))
ORDER BY happened_at DESC, reference
LIMIT @most"""


class Entry(Record):
    """One thing somebody did with a key."""

    happened_at: UtcDatetime
    what: str
    """`looked up`, the kind of an instruction, or that it was carried out."""
    key_name: str
    role: ApiRole
    user_id: str | None
    detail: str | None
    """The route, what the instruction names, or what was done."""
    reason: str | None
    outcome: str | None
    """The HTTP status, or whether it was done."""
    reference: str
    """The request, or the instruction."""


def entries(
    client: bigquery.Client,
    settings: FeatureSettings,
    since: datetime,
    *,
    user_id: str | None = None,
    most: int = 1000,
) -> list[Entry]:
    """What was done since then, the latest first, of one user or of all.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A table is missing.
    """
    statement = _ENTRIES.format(privacy=dataset_id(settings, Dataset.PRIVACY))
    asked = [
        Parameter("since", "TIMESTAMP", since),
        Parameter("user_id", "STRING", user_id),
        Parameter("most", "INT64", most),
    ]
    return [Entry.model_validate(row) for row in ask(client, settings, statement, asked)]
