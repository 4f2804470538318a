"""The tables and goals of each protocol, as rows of what was measured."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Goal
from shopstream.ml_features.models.evaluate import compare

from . import customers, repeat_items
from .customers import PUBLISHED

Rows = list[dict[str, Any]]
INSTACART = "case_instacart_validate.parquet"
CDNOW = "cdnow_master.parquet"
LEAST_PRECISION, LEAST_SQL_PRECISION, LEAST_SQL_SHARE = 0.413, 0.402, 0.98
MOST_ERROR, LEAST_AREA = 0.78, 0.77


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


def at_least(goal: str, limit: float, value: float) -> Goal:
    """A goal that a figure is to reach."""
    return Goal(goal, limit, round(value, 4), value >= limit)
