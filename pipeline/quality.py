"""Looks at every quality rule, says what breaks one, and keeps the results."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from google.cloud import bigquery

from shopstream.schemas import SettingsError
from shopstream.schemas.quality import RULES, Rule
from shopstream.schemas.quality_result import QualityResult
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import QUALITY_RESULTS, dataset_id

from .options import PipelineSettings
from .warehouse import ask, store_records, timestamp

LEARNED_FROM = timedelta(days=28)
FEWEST_RESULTS = 14
"""With fewer earlier results there is nothing to learn from."""
_SPREADS = 5.0
"""How many times their median distance from the median values may be away from it."""
_SHARE = 0.1
"""And a tenth of the median in any case, or what never moved could never move."""
_JOB = "quality"


def check_quality(
    client: bigquery.Client, settings: PipelineSettings, names: Iterable[str], now: datetime
) -> list[QualityResult]:
    """Look at the rules of these names, all where there is none, and store what was found.

    Raises:
        SettingsError: A name is not that of a rule, or QUALITY_THRESHOLDS is wrong.
        Unavailable: BigQuery does not answer.
    """
    rules = rules_in_force(client, settings, names, now)
    results = [_look(client, settings, rule, now) for rule in rules]
    by_row_id = {f"{result.rule}/{now.isoformat()}": result for result in results}
    store_records(client, settings, QUALITY_RESULTS, by_row_id)
    return results


def rules_in_force(
    client: bigquery.Client, settings: PipelineSettings, names: Iterable[str], now: datetime
) -> list[Rule]:
    """The rules with the bounds that count: set ones, else learned ones, else their own.

    Raises:
        SettingsError: A name is not that of a rule, or QUALITY_THRESHOLDS is wrong.
        Unavailable: BigQuery does not answer.
    """
    chosen = list(names) or list(RULES)
    if unknown := [name for name in chosen if name not in RULES]:
        raise SettingsError(f"{unknown[0]!r} is no rule; `shopstream-pipeline quality rules` lists them")
    bounds = set_bounds(settings.quality_thresholds)
    earlier = _earlier(client, settings, now)
    found = []
    for name in chosen:
        rule = RULES[name]
        if name in bounds:
            found.append(rule.within(*bounds[name], threshold="set"))
        elif rule.is_learnable and len(earlier.get(name, ())) >= FEWEST_RESULTS:
            found.append(learned(rule, earlier[name]))
        else:
            found.append(rule)
    return found


def learned(rule: Rule, values: Sequence[float]) -> Rule:
    """The rule with bounds that fit what was usual: the median and five times the median distance from it.

    A side that the rule does not bound stays open. Both are robust: half of the values would have to be wrong to move
    them far (Rousseeuw and Croux, 1993).
    """
    middle = median(values)
    spread = median(abs(value - middle) for value in values)
    margin = max(_SPREADS * spread, _SHARE * abs(middle))
    least = None if rule.least is None else middle - margin
    most = None if rule.most is None else middle + margin
    return rule.within(least, most, threshold="learned")


def set_bounds(text: str) -> Mapping[str, tuple[float | None, float | None]]:
    """QUALITY_THRESHOLDS as bounds by rule: `freshness.search<=30,volume.order>=0.5`.

    Raises:
        SettingsError: It is not such a list, or names no rule.
    """
    bounds: dict[str, tuple[float | None, float | None]] = {}
    for part in filter(None, text.split(",")):
        for sign in ("<=", ">="):
            name, found, value = part.partition(sign)
            if found:
                break
        try:
            number = float(value)
        except ValueError:
            raise SettingsError(f"QUALITY_THRESHOLDS: {part!r} is not RULE<=NUMBER or RULE>=NUMBER") from None
        if name not in RULES:
            raise SettingsError(f"QUALITY_THRESHOLDS: {name!r} is no rule")
        least, most = bounds.get(name, (None, None))
        bounds[name] = (number, most) if sign == ">=" else (least, number)
    return bounds


def _earlier(client: bigquery.Client, settings: PipelineSettings, now: datetime) -> dict[str, list[float]]:
    """Values of earlier results that were good, by rule: what was a breach teaches nothing."""
    table = f"{dataset_id(settings, Dataset.OPS)}.{QUALITY_RESULTS.table.name}"
    rows = ask(
        client,
        f"SELECT rule, value FROM `{table}` WHERE checked_at >= @since AND checked_at < @now "  # noqa: S608
        "AND verdict = 'ok' AND value IS NOT NULL",
        table,
        [timestamp("since", now - LEARNED_FROM), timestamp("now", now)],
    )
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["rule"], []).append(row["value"])
    return found


def _look(client: bigquery.Client, settings: PipelineSettings, rule: Rule, now: datetime) -> QualityResult:
    places = {
        "raw": dataset_id(settings, Dataset.RAW),
        "failed": dataset_id(settings, Dataset.FAILED),
        "views": dataset_id(settings, Dataset.VIEWS),
    }
    (row,) = ask(client, rule.statement.format(**places), rule.name, [timestamp("now", now)])
    value = None if row["value"] is None else float(row["value"])
    return QualityResult(
        checked_at=now,
        rule=rule.name,
        value=value,
        least=rule.least,
        most=rule.most,
        threshold=rule.threshold,
        verdict=rule.verdict(value),
        job=_JOB,
    )


def result_lines(results: Sequence[QualityResult]) -> list[str]:
    """The results for people, breaches first."""
    order = {"breach": 0, "unknown": 1, "ok": 2}
    lines = [
        f"{result.verdict:8} {'' if result.value is None else f'{result.value:.4g}':>10}  {bounds_of(result):22} "
        f"{result.rule}"
        for result in sorted(results, key=lambda result: (order[result.verdict], result.rule))
    ]
    breaches = sum(result.verdict == "breach" for result in results)
    return [*lines, f"{breaches} of {len(results)} rules are broken"]


def bounds_of(result: QualityResult | Rule) -> str:
    """The bounds as people write them, with where they come from."""
    parts = [f">= {result.least:.4g}" for _ in (1,) if result.least is not None]
    parts += [f"<= {result.most:.4g}" for _ in (1,) if result.most is not None]
    return f"{', '.join(parts)} ({result.threshold})"
