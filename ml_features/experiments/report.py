"""What an experiment found so far: the lift of each variant in orders and in reorders."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from google.cloud import bigquery

from shopstream.schemas.experiment import Experiment

from ..settings import FeatureSettings
from ..warehouse import Parameter, Row, ask
from .statistics import CONFIDENCE, SAMPLE_RATIO_ALPHA, Group, Lift, lift, sample_ratio_chance

METRICS: Mapping[str, str] = {
    "conversion": "users who ordered",
    "reorder_rate": "users who ordered a product again that they had bought before",
}
"""What is measured of each user within the experiment's outcome_days after the first exposure, by name."""

# A user counts once the outcome days are over, so that early and late users are measured alike.
_OUTCOMES = """
WITH shown AS (
  SELECT
    exposures.user_id,
    MIN(exposures.occurred_at) AS exposed_at,
    IF(COUNT(DISTINCT exposures.variant) > 1, NULL, MIN(exposures.variant)) AS variant
  FROM exposures
  LEFT JOIN consent_states
    ON exposures.user_id = consent_states.user_id AND consent_states.purpose = 'analytics'
  WHERE
    exposures.received_at >= TIMESTAMP(@first_day)
    AND exposures.received_at < TIMESTAMP(DATE_ADD(@last_day, INTERVAL 1 DAY))
    AND exposures.experiment = @experiment
    AND exposures.user_id IS NOT NULL
    AND exposures.traffic IS NULL
    AND IFNULL(consent_states.granted, @allowed_otherwise)
  GROUP BY exposures.user_id
),

watched AS (
  SELECT
    *,
    TIMESTAMP_ADD(exposed_at, INTERVAL @outcome_days DAY) AS watched_until,
    TIMESTAMP_ADD(exposed_at, INTERVAL @outcome_days DAY) > TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY)) AS waiting
  FROM shown
),

lines AS (
  SELECT orders.user_id, orders.occurred_at, item.product_id
  FROM orders
  CROSS JOIN UNNEST(orders.items) AS item
  WHERE
    orders.received_at >= TIMESTAMP(@first_day)
    AND orders.status = 'placed'
    AND orders.traffic IS NULL
    AND orders.user_id IS NOT NULL
),

bought AS (
  SELECT user_id, product_id, MIN(ordered_at) AS first_at
  FROM purchases
  WHERE received_on >= DATE_SUB(@first_day, INTERVAL 365 DAY) AND status = 'placed'
  GROUP BY user_id, product_id
),

outcomes AS (
  SELECT
    lines.user_id,
    MAX(IF(bought.first_at < watched.exposed_at, 1, 0)) AS reordered
  FROM lines
  INNER JOIN watched ON lines.user_id = watched.user_id
  LEFT JOIN bought ON lines.user_id = bought.user_id AND lines.product_id = bought.product_id
  WHERE lines.occurred_at >= watched.exposed_at AND lines.occurred_at < watched.watched_until
  GROUP BY lines.user_id
)

SELECT
  watched.variant,
  watched.waiting,
  COUNT(*) AS users,
  SUM(IF(outcomes.user_id IS NULL, 0, 1)) AS conversion,
  SUM(IFNULL(outcomes.reordered, 0)) AS reorder_rate
FROM watched
LEFT JOIN outcomes ON watched.user_id = outcomes.user_id
GROUP BY watched.variant, watched.waiting
"""


@dataclass(frozen=True)
class Report:
    """One experiment up to the end of a day."""

    experiment: Experiment
    as_of: date
    groups: Mapping[str, Mapping[str, Group]]
    """By metric and variant; users whose outcome days are over."""
    lifts: Mapping[str, Mapping[str, Lift]]
    """By metric and variant, the control left out."""
    waiting: int
    """Users who were exposed less than outcome_days before the end of as_of: counted once these are over."""
    mixed: int
    """Users who were shown more than one variant: left out, for nothing can be learned of them."""
    unknown: int
    """Users who were shown a variant that the experiment does not have."""
    sample_ratio_chance: float
    """The chance of groups as uneven if users were dealt out as planned."""

    @property
    def dealt_out_as_planned(self) -> bool:
        """Whether the groups may be compared at all: something that loses users of one variant makes any lift."""
        return self.sample_ratio_chance >= SAMPLE_RATIO_ALPHA


def report(client: bigquery.Client, settings: FeatureSettings, experiment: Experiment, as_of: date) -> Report:
    """What the experiment found up to the end of as_of.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A table is missing.
    """
    last_day = as_of if experiment.ends_on is None else min(as_of, experiment.ends_on)
    asked = [
        Parameter("experiment", "STRING", experiment.name),
        Parameter("first_day", "DATE", experiment.starts_on),
        Parameter("last_day", "DATE", last_day),
        Parameter("as_of", "DATE", as_of),
        Parameter("outcome_days", "INT64", experiment.outcome_days),
        Parameter("allowed_otherwise", "BOOL", settings.allowed_otherwise),
    ]
    return reported(experiment, as_of, ask(client, settings, _OUTCOMES, asked))


def reported(experiment: Experiment, as_of: date, rows: list[Row]) -> Report:
    """The report of counts by variant (None: of more than one) and whether the outcome days are still running."""
    names = [variant.name for variant in experiment.variants]
    over = {row["variant"]: row for row in rows if not row["waiting"] and row["variant"] in names}
    groups = {
        metric: {
            name: Group(over[name]["users"], over[name][metric]) if name in over else Group(0, 0) for name in names
        }
        for metric in METRICS
    }
    exposed = {name: sum(row["users"] for row in rows if row["variant"] == name) for name in names}
    shares = {variant.name: experiment.share_of(variant) for variant in experiment.variants}
    return Report(
        experiment=experiment,
        as_of=as_of,
        groups=groups,
        lifts={metric: _lifts(experiment, of_variant) for metric, of_variant in groups.items()},
        waiting=sum(row["users"] for row in rows if row["waiting"] and row["variant"] in names),
        mixed=sum(row["users"] for row in rows if row["variant"] is None),
        unknown=sum(row["users"] for row in rows if row["variant"] is not None and row["variant"] not in names),
        sample_ratio_chance=sample_ratio_chance(exposed, shares),
    )


def _lifts(experiment: Experiment, groups: Mapping[str, Group]) -> dict[str, Lift]:
    """Each variant beside the control; of several, each at a confidence that all intervals together have."""
    control, *others = experiment.variants
    found = {}
    for variant in others:
        of_both = experiment.share_of(control) + experiment.share_of(variant)
        found[variant.name] = lift(
            groups[control.name],
            groups[variant.name],
            control_share=experiment.share_of(control) / of_both,
            planned_users=max(round(experiment.planned_users * of_both), 1),
            alpha=(1 - CONFIDENCE) / len(others),
        )
    return found
