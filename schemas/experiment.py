"""Experiments: what is compared, and who sees what, decided by a hash so that every service decides alike."""

import hashlib
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from .environment import SettingsError
from .identifiers import Opaque

__all__ = ["Experiment", "Variant", "assigned", "read_experiments"]

_HASHED = 2.0**64


class Variant(BaseModel):
    """One of the things that are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Opaque
    """What events of exposure call it."""
    weight: int = Field(1, ge=1, le=1000)
    """How many users get it, beside the weights of the others."""


class Experiment(BaseModel):
    """What is compared with what, on how many users."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Opaque
    """What events of exposure and reports call it."""
    salt: Opaque
    """Users are dealt out anew with another salt. Never change it while the experiment runs."""
    variants: tuple[Variant, ...] = Field(min_length=2, max_length=10)
    """The first is the control."""
    share: float = Field(1.0, gt=0, le=1)
    """Of all users, so many take part."""
    planned_users: int = Field(ge=100)
    """How many exposed users the experiment is planned for; the sequential intervals are narrowest there."""
    starts_on: date
    """The first day that is looked at."""
    ends_on: date | None = None
    """The last day that is looked at; None while it goes on."""
    outcome_days: int = Field(14, ge=1, le=90)
    """What a user does within so many days after the first exposure counts."""

    @model_validator(mode="after")
    def _has_no_variant_twice(self) -> Self:
        twice = [name for name, count in Counter(variant.name for variant in self.variants).items() if count > 1]
        if twice:
            raise ValueError(f"the variant {twice[0]!r} is there twice")
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        return self

    @property
    def control(self) -> Variant:
        """What the others are compared with."""
        return self.variants[0]

    def share_of(self, variant: Variant) -> float:
        """The share of those who take part that get the variant, 0 to 1."""
        return variant.weight / sum(each.weight for each in self.variants)


def assigned(experiment: Experiment, user_id: str) -> str | None:
    """The variant the user sees; None for who does not take part.

    The same for the same salt and user, in every service and at every time: two SHA-256 hashes, one of whether the user
    takes part and one of the variant, so that more users can be let in without moving anybody.
    """
    if _place(f"{experiment.salt}:share:{user_id}") >= experiment.share:
        return None
    place = _place(f"{experiment.salt}:variant:{user_id}")
    reached = 0.0
    for variant in experiment.variants:
        reached += experiment.share_of(variant)
        if place < reached:
            return variant.name
    return experiment.variants[-1].name


def _place(text: str) -> float:
    """A number from 0 to 1 that looks like chance."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / _HASHED


_EXPERIMENTS = TypeAdapter(list[Experiment])


def read_experiments(file: Path) -> dict[str, Experiment]:
    """The experiments of a JSON file, a list of objects, by name.

    Raises:
        SettingsError: The file cannot be read, or an experiment in it is wrong.
    """
    try:
        found = _EXPERIMENTS.validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: {_first_fault(error)}") from error
    names = Counter(experiment.name for experiment in found)
    if twice := [name for name, count in names.items() if count > 1]:
        raise SettingsError(f"{file}: the experiment {twice[0]!r} is there twice")
    return {experiment.name: experiment for experiment in found}


def _first_fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{'.'.join(str(part) for part in fault['loc']) or 'an experiment'}: {fault['msg']}"
    return str(error)
