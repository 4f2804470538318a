"""A model written and read is the same model; a worse one does not take its place."""

from datetime import date

import numpy as np
import pytest

from shopstream.ml_features.models.artefact import Artefact, Judged, Provenance, from_bytes
from shopstream.ml_features.models.boosting import Examples, train
from shopstream.ml_features.models.calibration import calibrate
from shopstream.schemas import SettingsError


@pytest.fixture(scope="module")
def artefact(lightgbm_loads: None) -> Artefact:  # noqa: ARG001
    random = np.random.default_rng(1)
    matrix = random.random((3000, 3)).astype(np.float32)
    bought = random.random(3000) < matrix[:, 0]
    model = train(Examples(("a", "b", "c"), matrix, bought, np.ones(3000)), rounds=10, threads=1)
    calibration = calibrate(model.scores(matrix), bought)
    days = (date(2026, 3, 31), date(2026, 1, 1), date(2026, 2, 1), date(2026, 2, 2), date(2026, 3, 31))
    return Artefact(
        Provenance(*days, 3000, "0.1.0"), {7: model, 30: model}, {7: calibration, 30: calibration}, {"auc_7_days": 0.8}
    )


def test_what_is_read_is_what_was_written(artefact: Artefact) -> None:
    read = from_bytes(artefact.to_bytes())
    asked = np.random.default_rng(2).random((50, 3)).astype(np.float32)
    assert read.provenance == artefact.provenance
    assert read.metrics == artefact.metrics
    assert read.version == artefact.version
    for horizon, model in artefact.models.items():
        np.testing.assert_array_equal(read.models[horizon].scores(asked), model.scores(asked))
        scores = model.scores(asked)
        np.testing.assert_array_equal(
            read.calibrations[horizon].probability(scores), artefact.calibrations[horizon].probability(scores)
        )


def test_the_version_tells_the_day_and_changes_with_the_content(artefact: Artefact) -> None:
    other = Artefact(artefact.provenance, {7: artefact.models[7]}, {7: artefact.calibrations[7]}, artefact.metrics)
    assert artefact.version.startswith("2026-03-31-")
    assert other.version != artefact.version


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format": 1}', b'{"format": 1, "provenance": {}, "horizons": {}}']
)
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(SettingsError, match="no model written by train"):
        from_bytes(content)


def test_a_model_of_another_format_is_refused() -> None:
    with pytest.raises(SettingsError, match="of format 9; this version reads 1: train it anew"):
        from_bytes(b'{"format": 9}')


@pytest.mark.parametrize(
    ("champion", "challenger", "promoted"), [(None, 9.0, True), (0.3, 0.29, True), (0.3, 0.3, True), (0.3, 0.31, False)]
)
def test_a_worse_model_is_not_promoted(champion: float | None, challenger: float, promoted: bool) -> None:
    judged = Judged(champion, challenger)
    assert judged.promoted is promoted
    assert str(judged).startswith("promoted" if promoted else "not promoted")
