"""Whom an insight is about: the figures of one user, or of all users of a persona, from the warehouse."""

from google.cloud import bigquery

from shopstream.schemas.features import PersonaName
from shopstream.schemas.serving.views import CONSENTS, PERSONAS, PROFILES

from ..consent import allows, decided
from ..serving.answer import answered
from ..serving.store import FeatureStore
from ..settings import FeatureSettings
from ..warehouse import Parameter, ask
from .figures import Figures, of_customer, of_segment

_SEGMENT = """
WITH everyone AS (
  SELECT profiles.*, personas.persona
  FROM profiles
  INNER JOIN personas
    ON profiles.user_id = personas.user_id AND profiles.as_of = personas.as_of AND personas.window_days = 180
  WHERE
    profiles.as_of = (SELECT MAX(as_of) FROM profiles)
    AND personas.as_of = (SELECT MAX(as_of) FROM profiles)
)

SELECT
  SUM(IF(persona = @persona, 1, 0)) AS users,
  SUM(IF(persona = @persona, 1, 0)) / COUNT(*) AS share_of_users,
  AVG(IF(persona = @persona, orders, NULL)) AS mean_orders,
  AVG(IF(persona = @persona, mean_basket_items, NULL)) AS mean_basket_items,
  AVG(IF(persona = @persona, mean_days_between_orders, NULL)) AS mean_days_between_orders,
  AVG(IF(persona = @persona, churn_risk, NULL)) AS mean_churn_risk,
  AVG(IF(persona = @persona, expected_order_days, NULL)) AS mean_expected_order_days
FROM everyone
"""


class NotTold(Exception):
    """There are no figures that may be told, and why."""


def figures_of_customer(settings: FeatureSettings, store: FeatureStore, user_id: str) -> Figures:
    """The figures of a user.

    Raises:
        NotTold: The user does not allow personalization, or has no profile.
        Unavailable: Nobody answers.
    """
    if not allows(settings, decided(answered(store.get(CONSENTS, user_id)), "personalization")):
        raise NotTold(f"{user_id} does not allow personalization")
    profile = answered(store.get(PROFILES, user_id)).row
    personas = answered(store.get(PERSONAS, user_id)).rows
    if profile is None:
        raise NotTold(f"no profile of {user_id}")
    return of_customer(profile, personas)


def figures_of_segment(client: bigquery.Client, settings: FeatureSettings, persona: PersonaName) -> Figures:
    """The figures of all users of a persona, if there are AGGREGATES_MINIMUM_USERS of them.

    Raises:
        NotTold: There are fewer.
        Unavailable: BigQuery does not answer.
    """
    row = ask(client, settings, _SEGMENT, [Parameter("persona", "STRING", persona)])[0]
    if (row["users"] or 0) < settings.aggregates_minimum_users:
        raise NotTold(f"fewer than {settings.aggregates_minimum_users} users are {persona}")
    return of_segment(persona, row)
