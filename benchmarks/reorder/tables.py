"""The tables and goals of each protocol, as rows of what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.results import Goal, Rows, at_least, at_most
from shopstream.ml_features.models.evaluate import calibration_error, compare
from shopstream.ml_features.models.histories import Floats

from . import customers, repeat_items
from .customers import PUBLISHED
from .fairness import by_history, by_third
from .measures import ByUser
from .probabilities import Journey, Predicted
from .sets import MODEL_TIER, NextBasketSet, measured

NEXT_BASKET = "Next basket: the first ten of a ranking, averaged over users"
BY_HISTORY = "Fairness: next basket by how many baskets of a user are known"
REPEAT_ITEMS = "Instacart by CASE's protocol: the first five of what was bought before"
PROBABILITIES = "The Complete Journey: pairs bought at least twice, as-of snapshots"
BY_SPEND = "Fairness: The Complete Journey, 30 days, by what a household spent and how often it came"
CUSTOMERS = "CDNOW: 39 weeks known, 39 predicted"
SQL_TIER = "shopstream, SQL tier"
HEADINGS = {
    "R@10": "recall",
    "NDCG@10": "ndcg",
    "PHR@10": "hit",
    "repeat recall": "repeat_recall",
    "explore recall": "explore_recall",
    "of new ones alone": "new_recall",
}
"""The measures of a ranking, the first three those that papers publish; the last of a list without what was bought."""
INSTACART = "case_instacart_validate.parquet"
CDNOW = "cdnow_master.parquet"
LEAST_PRECISION, LEAST_SQL_PRECISION, LEAST_SQL_SHARE = 0.413, 0.402, 0.98
MOST_ERROR, LEAST_AREA = 0.78, 0.77
GOALS = {7: (0.795, 0.005), 30: (0.780, 0.012)}
"""By horizon: the least area under the curve, and the greatest calibration error."""
LEAST_SKILL = 0.185


@dataclass(frozen=True)
class Measured:
    """What one protocol found: rows by heading, and goals."""

    tables: Mapping[str, Rows]
    goals: list[Goal]


def next_basket_table(which: NextBasketSet, directory: Path) -> Measured:
    """One set's means over the asked users, ours beside each peer with its interval; of several draws the spread."""
    found = measured(which, directory)
    ours = found[MODEL_TIER]
    rows = [
        {
            "set": which.title,
            "ranking": name,
            **{
                heading: f"{np.nanmean(_joined(parts, measure)):.4f}{_spread(parts, measure)}"
                for heading, measure in HEADINGS.items()
            },
            "shown": f"{np.mean([_shown(part) for part in parts]):.0f}",
            "our recall less this (95 %)": ""
            if parts is ours
            else _beside(_joined(ours, "recall"), _joined(parts, "recall")),
            "users": len(_joined(parts, "recall")),
            "published": which.published if parts is ours else "",
        }
        for name, parts in found.items()
    ]
    goals = [
        at_least(f"{which.title}: {measure} of the first 10", limit, float(_joined(ours, measure).mean()))
        for measure, limit in zip(HEADINGS.values(), which.reach, strict=False)
        if limit is not None
    ]
    return Measured({NEXT_BASKET: rows, BY_HISTORY: by_history(which.title, found)}, goals)


def _joined(parts: Sequence[ByUser], measure: str) -> Floats:
    return np.concatenate([getattr(part, measure) for part in parts])


def _shown(part: ByUser) -> float:
    """How many products the lists show, each counted by how much it is shown: the exponential of the entropy."""
    share = np.unique(part.shown, return_counts=True)[1] / len(part.shown)
    return float(np.exp(-(share * np.log(share)).sum()))


def _spread(parts: Sequence[ByUser], measure: str) -> str:
    if len(parts) == 1:
        return ""
    return f" ± {np.std([np.nanmean(getattr(part, measure)) for part in parts]):.4f}"


def _beside(ours: Floats, theirs: Floats) -> str:
    found = compare(ours, theirs)
    return f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def repeat_item_table(directory: Path) -> Measured:
    """P@5 of what was bought before, by CASE's protocol, on Instacart."""
    every = repeat_items.read(directory / INSTACART)
    found = {
        MODEL_TIER: repeat_items.model_tier(every),
        SQL_TIER: repeat_items.sql_tier(every),
        "personal frequency": repeat_items.frequency(every),
    }
    users, ours = found[MODEL_TIER]
    rows = []
    for name, (counted, precision) in found.items():
        _, mine, theirs = np.intersect1d(users, counted, return_indices=True)
        rows.append(
            {
                "ranking": name,
                "P@5": f"{precision.mean():.4f}",
                "model tier less this (95 %)": "" if precision is ours else _beside(ours[mine], precision[theirs]),
                "users": len(counted),
            }
        )
    model, sql = (float(np.mean(found[tier][1])) for tier in (MODEL_TIER, SQL_TIER))
    goals = [
        at_least("Instacart, repeat items: P@5 of the model tier", LEAST_PRECISION, model),
        at_least("Instacart, repeat items: P@5 of the SQL tier", LEAST_SQL_PRECISION, sql),
        at_least("Instacart, repeat items: the SQL tier's P@5 by the model tier's", LEAST_SQL_SHARE, sql / model),
    ]
    return Measured({REPEAT_ITEMS: rows}, goals)


def customer_table(directory: Path) -> Measured:
    """Errors and areas on CDNOW, and the fitted parameters beside the published ones."""
    found, of_all, of_a_tenth = customers.measured(directory / CDNOW)
    ours = found["shopstream"]
    rows = []
    for name, each in found.items():
        rows.append(
            {
                "prediction": name,
                "MAE of purchases": f"{each.errors.mean():.4f}",
                "AUC of returning": f"{each.area:.4f}",
                "our error less this (95 %)": "" if each is ours else _beside(ours.errors, each.errors),
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
    goals = [
        at_most("CDNOW: mean absolute error of purchases", MOST_ERROR, error),
        at_least("CDNOW: area under the curve of who returns", LEAST_AREA, ours.area),
    ]
    return Measured({CUSTOMERS: rows}, goals)


def probability_table(directory: Path) -> Measured:
    """Areas, calibration errors and Brier skill of both horizons on The Complete Journey."""
    journey = Journey(directory)
    rows: Rows = []
    fairness: Rows = []
    goals: list[Goal] = []
    for horizon in (7, 30):
        found = {
            MODEL_TIER: journey.model_tier(horizon),
            SQL_TIER: journey.sql_tier(horizon),
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
        area, error, skill = figures[MODEL_TIER]
        named = f"The Complete Journey, {horizon} days"
        goals.append(at_least(f"{named}: area under the curve, model tier", least_area, area))
        goals.append(at_most(f"{named}: calibration error", most_error, error))
        if horizon == max(GOALS):
            goals.append(at_least(f"{named}: Brier skill, model tier", LEAST_SKILL, skill))
            fairness = by_third("what was spent", found, journey.spent(horizon))
            fairness += by_third("orders", found, journey.orders(horizon))
    quantiles = journey.quantiles()
    for chance, (share, pairs) in (("10 %", quantiles.early), ("50 %", quantiles.middle)):
        rows.append(
            {
                "bought again within": f"the days named with a chance of {chance}",
                "prediction": SQL_TIER,
                "AUC (95 % by household)": f"{share:.1%} were",
                "ECE": "",
                "Brier skill": "",
                "pairs": pairs,
            }
        )
    return Measured({PROBABILITIES: rows, BY_SPEND: fairness}, goals)


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
