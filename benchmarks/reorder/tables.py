"""The tables and goals of each protocol, as rows of what was measured."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.results import Goal
from shopstream.ml_features.models.evaluate import calibration_error, compare

from . import customers, repeat_items
from .customers import PUBLISHED
from .probabilities import Journey, Predicted

Rows = list[dict[str, Any]]
INSTACART = "case_instacart_validate.parquet"
CDNOW = "cdnow_master.parquet"
LEAST_PRECISION, LEAST_SQL_PRECISION, LEAST_SQL_SHARE = 0.413, 0.402, 0.98
MOST_ERROR, LEAST_AREA = 0.78, 0.77
GOALS = {7: (0.795, 0.005), 30: (0.780, 0.012)}
"""By horizon: the least area under the curve, and the greatest calibration error."""
LEAST_SKILL = 0.185


def repeat_item_table(directory: Path) -> tuple[Rows, list[Goal]]:
    """P@5 of what was bought before, by CASE's protocol, on Instacart."""
    every = repeat_items.read(directory / INSTACART)
    found = {
        "shopstream, model tier": repeat_items.model_tier(every),
        "shopstream, SQL tier": repeat_items.sql_tier(every),
        "personal frequency": repeat_items.frequency(every),
    }
    _, ours = found["shopstream, model tier"]
    rows = []
    for name, (_, precision) in found.items():
        beside = compare(ours, precision)
        rows.append(
            {
                "ranking": name,
                "P@5": f"{precision.mean():.4f}",
                "model tier less this (95 %)": ""
                if precision is ours
                else f"{beside.difference:+.4f} ({beside.low:+.4f} to {beside.high:+.4f})",
                "users": beside.users,
            }
        )
    model, sql = (float(np.mean(found[f"shopstream, {tier} tier"][1])) for tier in ("model", "SQL"))
    return rows, [
        at_least("Instacart, repeat items: P@5 of the model tier", LEAST_PRECISION, model),
        at_least("Instacart, repeat items: P@5 of the SQL tier", LEAST_SQL_PRECISION, sql),
        at_least("Instacart, repeat items: the SQL tier's P@5 by the model tier's", LEAST_SQL_SHARE, sql / model),
    ]


def customer_table(directory: Path) -> tuple[Rows, list[Goal]]:
    """Errors and areas on CDNOW, and the fitted parameters beside the published ones."""
    found, of_all, of_a_tenth = customers.measured(directory / CDNOW)
    ours = found["shopstream"]
    rows = []
    for name, each in found.items():
        beside = compare(ours.errors, each.errors)
        rows.append(
            {
                "prediction": name,
                "MAE of purchases": f"{each.errors.mean():.4f}",
                "AUC of returning": f"{each.area:.4f}",
                "our error less this (95 %)": ""
                if each is ours
                else f"{beside.difference:+.4f} ({beside.low:+.4f} to {beside.high:+.4f})",
                "customers": len(each.errors),
            }
        )
    for name, model in (("all customers", of_all), ("a tenth of them", of_a_tenth), ("published", PUBLISHED)):
        rows.append(
            {
                "prediction": f"BG/NBD of {name}: r {model.r:.3f}, alpha {model.alpha:.3f}, "
                f"a {model.a:.3f}, b {model.b:.3f}",
                **dict.fromkeys(list(rows[0])[1:], ""),
            }
        )
    error = float(ours.errors.mean())
    return rows, [
        Goal("CDNOW: mean absolute error of purchases, at most", MOST_ERROR, round(error, 4), error <= MOST_ERROR),
        at_least("CDNOW: area under the curve of who returns", LEAST_AREA, ours.area),
    ]


def probability_table(directory: Path) -> tuple[Rows, list[Goal]]:
    """Areas, calibration errors and Brier skill of both horizons on The Complete Journey."""
    journey = Journey(directory)
    rows: Rows = []
    goals: list[Goal] = []
    for horizon in (7, 30):
        sql, quantiles = journey.sql_tier(horizon)
        found = {
            "shopstream, model tier": journey.model_tier(horizon),
            "shopstream, SQL tier": sql,
            "BG/NBD of each pair": journey.per_pair_bgnbd(horizon),
        }
        figures = {name: _figures(each) for name, each in found.items()}
        for name, each in found.items():
            area, error, skill = figures[name]
            rows.append(
                {
                    "bought again within": f"{horizon} days",
                    "prediction": name,
                    "AUC (95 % by household)": f"{area:.4f} ({_interval(each)})",
                    "ECE": f"{error:.4f}",
                    "Brier skill": f"{skill:.4f}",
                    "pairs": len(each.happened),
                }
            )
        least_area, most_error = GOALS[horizon]
        area, error, skill = figures["shopstream, model tier"]
        named = f"The Complete Journey, {horizon} days"
        goals.append(at_least(f"{named}: area under the curve, model tier", least_area, area))
        goals.append(Goal(f"{named}: calibration error, at most", most_error, round(error, 4), error <= most_error))
        if horizon == max(GOALS):
            goals.append(at_least(f"{named}: Brier skill, model tier", LEAST_SKILL, skill))
    for chance, (share, pairs) in (("10 %", quantiles.early), ("50 %", quantiles.middle)):
        rows.append(
            {
                "bought again within": f"the days named with a chance of {chance}",
                "prediction": "shopstream, SQL tier",
                "AUC (95 % by household)": f"{share:.1%} were",
                "ECE": "",
                "Brier skill": "",
                "pairs": pairs,
            }
        )
    return rows, goals


def _figures(predicted: Predicted) -> tuple[float, float, float]:
    happened = predicted.happened.astype(np.float64)
    skill = 1 - float(np.mean((predicted.probability - happened) ** 2)) / float(happened.var())
    area = float(roc_auc_score(predicted.happened, predicted.probability))
    return area, calibration_error(predicted.probability, happened), skill


def _interval(predicted: Predicted, resamples: int = 100) -> str:
    """95 % of the areas when households are drawn with replacement."""
    random = np.random.default_rng(0)
    number = np.unique(predicted.household, return_inverse=True)[1]
    areas = []
    for _ in range(resamples):
        drawn = np.bincount(random.integers(0, number.max() + 1, number.max() + 1), minlength=number.max() + 1)
        weight = drawn[number]
        areas.append(roc_auc_score(predicted.happened, predicted.probability, sample_weight=weight))
    low, high = np.percentile(areas, [2.5, 97.5])
    return f"{low:.4f} to {high:.4f}"


def at_least(goal: str, limit: float, value: float) -> Goal:
    """A goal that a figure is to reach."""
    return Goal(goal, limit, round(value, 4), value >= limit)
