"""Logistic regression, as every model here uses it."""

from typing import Any


def standardised_logistic() -> Any:  # noqa: ANN401 - a pipeline of scikit-learn, which has no types
    """Not yet fitted: inputs to mean 0 and variance 1, so that a light ridge treats all alike, then the regression."""
    # Imported here: scikit-learn takes a second, and the reader needs none of it.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
