"""Whom the predictions serve better and worse: results by how much is known of a user, and by what is spent."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.results import Rows
from shopstream.ml_features.models.evaluate import calibration_error
from shopstream.ml_features.models.histories import Floats

from .measures import ByUser
from .probabilities import Predicted

KNOWN_BASKETS = ((2, 3), (4, 6), (7, 1_000_000))
THIRDS = ("least third", "middle third", "greatest third")


def by_history(title: str, found: Mapping[str, Sequence[ByUser]]) -> Rows:
    """Recall and hits of each ranking, by how many baskets of the user are known."""
    rows: Rows = []
    for low, high in KNOWN_BASKETS:
        for name, parts in found.items():
            known = np.concatenate([part.known for part in parts])
            inside = (known >= low) & (known <= high)
            recall = np.concatenate([part.recall for part in parts])[inside]
            hit = np.concatenate([part.hit for part in parts])[inside]
            if len(recall):
                rows.append(
                    {
                        "set": title,
                        "baskets known": f"{low} to {high}" if high < KNOWN_BASKETS[-1][1] else f"{low} and more",
                        "ranking": name,
                        "R@10": f"{recall.mean():.4f}",
                        "PHR@10": f"{hit.mean():.4f}",
                        "users": len(recall),
                    }
                )
    return rows


def by_third(what: str, found: Mapping[str, Predicted], amount: Floats) -> Rows:
    """Probability beside what happened, area and calibration error, by thirds of households in what `amount` counts.

    Args:
        what: What the amount counts.
        found: Predictions by name; all of the same horizon.
        amount: Of each household number.
    """
    rows: Rows = []
    for name, each in found.items():
        households = np.unique(each.household)
        third = np.full(len(amount), -1)
        third[households] = np.argsort(np.argsort(amount[households], kind="stable")) * 3 // len(households)
        for place, words in enumerate(THIRDS):
            inside = third[each.household] == place
            probability, happened = each.probability[inside], each.happened[inside]
            rows.append(
                {
                    "households by": what,
                    "third": words,
                    "prediction": name,
                    "predicted": f"{probability.mean():.4f}",
                    "happened": f"{happened.mean():.4f}",
                    "AUC": f"{roc_auc_score(happened, probability):.4f}",
                    "ECE": f"{calibration_error(probability, happened.astype(np.float64)):.4f}",
                    "pairs": len(happened),
                }
            )
    return rows
