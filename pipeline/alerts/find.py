"""What the tables say to each rule."""

from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from google.cloud import bigquery

from shopstream.schemas import SettingsError
from shopstream.schemas.quality import RULES
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

from ..options import PipelineSettings
from ..quality import check_quality
from ..warehouse import ask, timestamp
from .plan import Finding
from .rules import AlertRules, PriceMoves, QualityBreaks, RankMoves, SegmentShrinks

_PRICES = """
WITH said AS (
  SELECT
    product_id, name, event_id, price, currency, received_at, imported,
    LAG(price) OVER by_time AS before,
    LAG(currency) OVER by_time AS currency_before
  FROM `{views}.products`
  WHERE received_at >= TIMESTAMP_SUB(@now, INTERVAL 30 DAY) AND received_at <= @now AND price IS NOT NULL
  WINDOW by_time AS (PARTITION BY product_id ORDER BY occurred_at, event_id)
)
SELECT product_id, name, event_id, price, currency, before, 100 * (price / before - 1) AS percent
FROM said
WHERE
  received_at >= TIMESTAMP_SUB(@now, INTERVAL 1 DAY) AND NOT imported AND before > 0 AND currency = currency_before
  AND ABS(100 * (price / before - 1)) >= @bound
ORDER BY received_at, event_id"""
_RANKS = """
WITH dates AS (
  SELECT as_of FROM `{aggregates}.product_scores`
  WHERE as_of >= DATE_SUB(DATE(@now), INTERVAL 8 DAY)
  GROUP BY as_of
  QUALIFY ROW_NUMBER() OVER (ORDER BY as_of DESC) <= 2
),
scores AS (
  SELECT product_id, name, category, category_rank, as_of
  FROM `{aggregates}.product_scores`
  WHERE as_of >= DATE_SUB(DATE(@now), INTERVAL 8 DAY) AND category_rank IS NOT NULL
)
SELECT
  late.product_id, late.name, late.category, late.as_of,
  late.category_rank AS place, early.category_rank AS place_before
FROM scores AS late
INNER JOIN scores AS early ON late.product_id = early.product_id AND late.category = early.category
WHERE
  late.as_of = (SELECT MAX(as_of) FROM dates) AND early.as_of = (SELECT MIN(as_of) FROM dates)
  AND ABS(late.category_rank - early.category_rank) >= @bound
ORDER BY late.category, late.category_rank"""
_SEGMENTS = """
WITH counts AS (
  SELECT as_of, persona, COUNT(*) AS users
  FROM `{features}.personas`
  WHERE as_of >= DATE_SUB(DATE(@now), INTERVAL @look_back DAY) AND window_days = 180
  GROUP BY as_of, persona
),
latest AS (SELECT MAX(as_of) AS as_of FROM counts)
SELECT early.persona, early.users AS users_before, IFNULL(late.users, 0) AS users, early.as_of AS since
FROM counts AS early
CROSS JOIN latest
LEFT JOIN counts AS late ON late.as_of = latest.as_of AND late.persona = early.persona
WHERE
  early.as_of = DATE_SUB(latest.as_of, INTERVAL @days DAY)
  AND early.users >= @least AND 100 * (1 - IFNULL(late.users, 0) / early.users) >= @bound
ORDER BY early.persona"""


def find(client: bigquery.Client, settings: PipelineSettings, rules: AlertRules, now: datetime) -> Iterator[Finding]:
    """What people should hear of, by rule.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A pattern fits no quality rule.
    """
    for rule in rules.rules:
        match rule:
            case PriceMoves():
                yield from _price_moves(client, settings, rule, now)
            case RankMoves():
                yield from _rank_moves(client, settings, rule, now)
            case SegmentShrinks():
                yield from _segment_shrinks(client, settings, rule, now)
            case QualityBreaks():
                yield from _quality_breaks(client, settings, rule, now)


def _price_moves(
    client: bigquery.Client, settings: PipelineSettings, rule: PriceMoves, now: datetime
) -> Iterator[Finding]:
    for row in _ask(client, settings, _PRICES, [timestamp("now", now), _number("bound", rule.percent)]):
        percent = float(row["percent"])
        yield Finding(
            rule=rule.name,
            subject=row["product_id"],
            severity=rule.severity,
            value=percent,
            bound=rule.percent,
            text=f"{row['name']} costs {row['price']:.2f} {row['currency']} "
            f"after {row['before']:.2f} ({percent:+.0f} %)",
            occurrence=row["event_id"],
        )


def _rank_moves(
    client: bigquery.Client, settings: PipelineSettings, rule: RankMoves, now: datetime
) -> Iterator[Finding]:
    for row in _ask(client, settings, _RANKS, [timestamp("now", now), _number("bound", rule.places)]):
        moved = row["place_before"] - row["place"]
        yield Finding(
            rule=rule.name,
            subject=row["product_id"],
            severity=rule.severity,
            value=moved,
            bound=rule.places,
            text=f"{row['name'] or row['product_id']} is now number {row['place']} in {row['category']} "
            f"after {row['place_before']}",
            occurrence=row["as_of"].isoformat(),
        )


def _segment_shrinks(
    client: bigquery.Client, settings: PipelineSettings, rule: SegmentShrinks, now: datetime
) -> Iterator[Finding]:
    given = [
        timestamp("now", now),
        _number("bound", rule.percent),
        bigquery.ScalarQueryParameter("days", "INT64", rule.days),
        bigquery.ScalarQueryParameter("look_back", "INT64", rule.days + 8),
        bigquery.ScalarQueryParameter("least", "INT64", rule.users),
    ]
    for row in _ask(client, settings, _SEGMENTS, given):
        percent = 100 * (1 - row["users"] / row["users_before"])
        yield Finding(
            rule=rule.name,
            subject=row["persona"],
            severity=rule.severity,
            value=percent,
            bound=rule.percent,
            text=f"{row['users']:,} users are {row['persona']} after {row['users_before']:,} on {row['since']} "
            f"(-{percent:.0f} %)",
        )


def _quality_breaks(
    client: bigquery.Client, settings: PipelineSettings, rule: QualityBreaks, now: datetime
) -> Iterator[Finding]:
    names = [name for name in RULES if any(fnmatchcase(name, pattern) for pattern in rule.patterns)]
    if not names:
        raise SettingsError(f"ALERT_RULES_FILE: no quality rule fits the patterns of {rule.name!r}")
    for result in check_quality(client, settings, names, now):
        if result.verdict != "breach" or result.value is None:
            continue
        is_low = result.least is not None and result.value < result.least
        bound = result.least if is_low else result.most
        if bound is None:
            continue
        yield Finding(
            rule=rule.name,
            subject=result.rule,
            severity=rule.severity,
            value=result.value,
            bound=bound,
            text=f"{result.rule} is {result.value:.4g}, {'below' if is_low else 'above'} {bound:.4g}: "
            f"{RULES[result.rule].meaning}",
        )


def _ask(
    client: bigquery.Client, settings: PipelineSettings, statement: str, parameters: list[Any]
) -> list[dict[str, Any]]:
    places = {
        "views": dataset_id(settings, Dataset.VIEWS),
        "features": dataset_id(settings, Dataset.FEATURES),
        "aggregates": dataset_id(settings, Dataset.AGGREGATES),
    }
    return ask(client, statement.format(**places), "a rule of alerts", parameters)


def _number(name: str, value: float) -> Any:  # noqa: ANN401 - the client is untyped
    return bigquery.ScalarQueryParameter(name, "FLOAT64", value)
