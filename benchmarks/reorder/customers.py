"""CDNOW: of customers known for 39 weeks, who buys in the next 39, and how often?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet
from sklearn.metrics import roc_auc_score

from shopstream.ml_features.models.bgnbd import BGNBD, fit
from shopstream.ml_features.models.histories import Floats, histories, moments_on
from shopstream.ml_features.models.returning import buyers_at, learn

DAYS = 39 * 7
PUBLISHED = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
"""The paper's parameters, of a tenth of these customers, in weeks."""


@dataclass(frozen=True)
class Found:
    """Errors of a way to predict, by customer, and how well it tells who returns."""

    errors: Floats
    area: float


def read(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Customer, day since the first of all, pieces and dollars of each purchase."""
    table = parquet.read_table(file)
    date = np.array([f"{each[:4]}-{each[4:6]}-{each[6:]}" for each in table["date"].to_pylist()], dtype="datetime64[D]")
    day = (date - date.min()).astype(np.int64)
    return table["user"].to_numpy(), day, table["qty"].to_numpy(), table["value"].to_numpy()


def measured(file: Path) -> tuple[dict[str, Found], BGNBD, BGNBD]:
    """Each way to predict, the parameters fitted to all customers, and those fitted to a tenth of them."""
    user, day, quantity, value = read(file)
    every = histories(
        user=user, basket=day, product=np.zeros(len(user)), day=day, quantity=quantity.astype(float), value=value
    )
    now = moments_on(every, DAYS)
    later = np.unique(np.column_stack([user, day])[(day >= DAYS) & (day < 2 * DAYS)], axis=0)[:, 0]
    bought = np.bincount(np.searchsorted(every.user_ids, later), minlength=every.users)[now.user].astype(np.float64)
    buyers = buyers_at(every, now)
    returning = learn(every, DAYS, DAYS)
    outlook = returning.outlook(every, now, DAYS)
    expected = returning.model.expected_purchases(buyers, DAYS / 7)
    tenth = now[now.user % 10 == 0]
    return (
        {
            "shopstream": Found(
                np.abs(outlook.median_purchases - bought), float(roc_auc_score(bought > 0, outlook.returns))
            ),
            "BG/NBD, mean": Found(np.abs(expected - bought), float(roc_auc_score(bought > 0, expected))),
            "nobody returns": Found(bought, 0.5),
        },
        returning.model,
        fit(buyers_at(every, tenth)),
    )
