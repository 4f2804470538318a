"""A trained model as a file that says where it comes from, and whether a new one takes the old one's place."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import orjson

from shopstream.schemas import SettingsError

from .boosting import Boosted, load_booster
from .calibration import Calibration

FORMAT = 1


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from."""

    as_of: date
    """The last day (UTC) of which anything was used."""
    trained_from: date
    trained_to: date
    """First and last day whose purchases were answers to learn from."""
    calibrated_from: date
    calibrated_to: date
    """The same for calibration; later than trained_to, so that no answer is seen twice."""
    pairs: int
    code_version: str


@dataclass(frozen=True)
class Artefact:
    """A model of what is bought again: trees a horizon, their calibration, and what is known of both."""

    provenance: Provenance
    models: Mapping[int, Boosted]
    """By horizon in days."""
    calibrations: Mapping[int, Calibration]
    metrics: Mapping[str, float]
    """What it was worth on the latest window, of which it had seen no answer."""

    def to_bytes(self) -> bytes:
        """The whole artefact as JSON; the same artefact gives the same bytes."""
        return orjson.dumps(
            {
                "format": FORMAT,
                "provenance": vars(self.provenance),
                "metrics": dict(self.metrics),
                "horizons": {
                    str(horizon): {
                        "names": model.names,
                        "boosters": [booster.model_to_string() for booster in model.boosters],
                        "scores": self.calibrations[horizon].scores.tolist(),
                        "probabilities": self.calibrations[horizon].probabilities.tolist(),
                    }
                    for horizon, model in self.models.items()
                },
            },
            option=orjson.OPT_SORT_KEYS,
        )

    @cached_property
    def version(self) -> str:
        """Its name: the day it knows, and a fingerprint of everything in it."""
        return f"{self.provenance.as_of}-{hashlib.sha256(self.to_bytes()).hexdigest()[:12]}"


def from_bytes(content: bytes) -> Artefact:
    """The artefact that `to_bytes` wrote.

    Raises:
        SettingsError: It is no artefact, or of a format this code does not read.
    """
    try:
        found: dict[str, Any] = orjson.loads(content)
        if found["format"] != FORMAT:
            raise SettingsError(f"the model is of format {found['format']}; this version reads {FORMAT}: train it anew")
        given = found["provenance"]
        days = {
            name: date.fromisoformat(value)
            for name, value in given.items()
            if isinstance(value, str) and name != "code_version"
        }
        horizons = {int(horizon): each for horizon, each in found["horizons"].items()}
        return Artefact(
            Provenance(**{**given, **days}),
            {
                horizon: Boosted(tuple(load_booster(text) for text in each["boosters"]), tuple(each["names"]))
                for horizon, each in horizons.items()
            },
            {
                horizon: Calibration(np.array(each["scores"]), np.array(each["probabilities"]))
                for horizon, each in horizons.items()
            },
            found["metrics"],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"this is no model written by train: {error}") from error


@dataclass(frozen=True)
class Judged:
    """Champion and challenger on the same pairs of the same window, by their loss; less is better."""

    champion: float | None
    """None where there is no champion yet."""
    challenger: float

    @property
    def promoted(self) -> bool:
        """Whether the challenger takes the champion's place: unless it is worse."""
        return self.champion is None or self.challenger <= self.champion

    def __str__(self) -> str:
        if self.champion is None:
            return f"promoted: the first model, log loss {self.challenger:.5f}"
        verdict = "promoted" if self.promoted else "not promoted"
        return f"{verdict}: log loss {self.challenger:.5f} beside the champion's {self.champion:.5f} on the same pairs"
