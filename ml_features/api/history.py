"""What only the warehouse knows, read for the API: personas and products over time."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from google.cloud import bigquery

from shopstream.schemas.features.persona import PERSONAS_EXPIRY_DAYS
from shopstream.schemas.features.product_day import PRODUCT_DAYS_EXPIRY_DAYS

from ..settings import FeatureSettings
from ..warehouse import AnyParameter, Parameter, Row, rows_of

SPELL_FIELDS = ("persona", "since", "until", "previous_persona")
DAY_FIELDS = (
    "day",
    "shown",
    "views",
    "clicks",
    "cart_adds",
    "cart_removes",
    "favourites",
    "orders",
    "returns",
    "units",
    "revenue",
    "currency",
    "click_rate",
    "orders_per_click",
)

_SPELLS = """
SELECT persona, since, MAX(as_of) AS last_as_of, ANY_VALUE(previous_persona) AS earlier_persona
FROM personas
LEFT JOIN consent_states
  ON personas.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
WHERE
  as_of >= @oldest
  AND personas.user_id = @user_id
  AND window_days = @window_days
  AND since < @before
  AND IFNULL(consent_states.granted, @allowed_otherwise)
GROUP BY persona, since
ORDER BY since DESC
LIMIT @most
"""
_DAYS = """
SELECT *
FROM product_performance
WHERE day >= @oldest AND day < @before AND product_id = @product_id
ORDER BY day DESC
LIMIT @most
"""


class Page(NamedTuple):
    """A part of a list that begins with the latest."""

    before: date
    most: int
    """So many rows."""


def persona_spells(
    client: bigquery.Client, settings: FeatureSettings, user_id: str, window_days: int, page: Page
) -> list[Row]:
    """For how long a user had which persona: rows with SPELL_FIELDS of spells that began before the page's date.

    Asked once, for who waits is gone before a second attempt.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    parameters = [
        Parameter("oldest", "DATE", _oldest(page.before, PERSONAS_EXPIRY_DAYS)),
        Parameter("user_id", "STRING", user_id),
        Parameter("window_days", "INT64", window_days),
        Parameter("before", "DATE", page.before),
        Parameter("allowed_otherwise", "BOOL", settings.allowed_otherwise),
        Parameter("most", "INT64", page.most),
    ]
    return [
        {
            "persona": row["persona"],
            "since": row["since"],
            "until": row["last_as_of"],
            "previous_persona": row["earlier_persona"],
        }
        for row in _asked(client, settings, _SPELLS, parameters)
    ]


def product_days(client: bigquery.Client, settings: FeatureSettings, product_id: str, page: Page) -> list[Row]:
    """How a product did on each day before the page's: rows with DAY_FIELDS.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    parameters = [
        Parameter("oldest", "DATE", _oldest(page.before, PRODUCT_DAYS_EXPIRY_DAYS)),
        Parameter("before", "DATE", page.before),
        Parameter("product_id", "STRING", product_id),
        Parameter("most", "INT64", page.most),
    ]
    return [{name: row[name] for name in DAY_FIELDS} for row in _asked(client, settings, _DAYS, parameters)]


def _oldest(before: date, days: int) -> date:
    return max(before, date.min + timedelta(days=days)) - timedelta(days=days)


def _asked(
    client: bigquery.Client, settings: FeatureSettings, statement: str, parameters: Sequence[AnyParameter]
) -> list[Row]:
    return [dict(row.items()) for row in rows_of(client, settings, statement, parameters)]
