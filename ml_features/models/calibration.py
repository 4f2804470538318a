"""From a score to a probability that holds: isotonic regression on pairs the model was not trained on."""

from dataclasses import dataclass

import numpy as np

from .histories import Flags, Floats


@dataclass(frozen=True)
class Calibration:
    """A rising curve from scores to probabilities, straight between its points and level beyond them."""

    scores: Floats
    probabilities: Floats

    def probability(self, scores: Floats) -> Floats:
        """The probability, 0 to 1, of each score."""
        found: Floats = np.interp(scores, self.scores, self.probabilities)
        return found


def calibrate(scores: Floats, happened: Flags) -> Calibration:
    """The rising curve nearest to what happened; its pairs must follow those of training and precede those asked.

    Zadrozny, Elkan: Transforming Classifier Scores into Accurate Multiclass Probability Estimates (KDD 2002).

    Raises:
        ValueError: There is nothing to calibrate on.
    """
    from sklearn.isotonic import IsotonicRegression

    if not len(scores):
        raise ValueError("calibration needs at least one pair")
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, happened.astype(np.float64))
    return Calibration(curve.X_thresholds_, curve.y_thresholds_)
