"""A decision as it is kept: what it was decided by, under an identity that follows from all of it."""

import hashlib
from datetime import datetime
from importlib.metadata import version

import numpy as np

from shopstream.schemas.decision import Decision

from ..model_reorders import from_text
from ..models.artefact import Artefact
from ..models.model_tier import chance_of
from .decide import Decided, decide
from .facts import Facts


def decision_of(facts: Facts, decided: Decided, user_id: str, now: datetime) -> Decision:
    """The decision as it is kept; where the user does not allow personalization, without the user."""
    unnamed = Decision(
        decision_id="0" * 32,
        decided_at=now,
        user_id=user_id if facts.allowed else None,
        kind=facts.kind,
        as_of=facts.as_of,
        model_version=facts.model_version,
        code_version=version("shopstream"),
        consent=facts.consent,
        persona=facts.persona,
        rules=decided.rules,
        items=decided.items,
        facts=facts.model_dump_json(),
    )
    return unnamed.model_copy(update={"decision_id": decision_id_of(unnamed)})


def decision_id_of(decision: Decision) -> str:
    """The identity that a decision with this content has."""
    content = decision.model_dump_json(exclude={"decision_id"})
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def decided_again(decision: Decision) -> Decided:
    """What today's code decides by the facts of the decision.

    Raises:
        pydantic.ValidationError: The facts are not what this version knows.
    """
    return decide(Facts.model_validate_json(decision.facts))


def predicted_otherwise(decision: Decision, artefact: Artefact) -> dict[str, tuple[float, float]]:
    """The products whose kept inputs give another chance by the model than was decided by: the one and the other.

    Empty where all are the same, and where the model tier did not predict.
    """
    kept = Facts.model_validate_json(decision.facts).by_model_tier
    if not kept:
        return {}
    again = chance_of(artefact, np.stack([from_text(str(each.model_inputs)) for each in kept])).tolist()
    pairs = [(each.product_id, each.probability or 0.0, now) for each, now in zip(kept, again, strict=True)]
    return {product_id: (probability, now) for product_id, probability, now in pairs if probability != now}


def is_of_model_tier(decision: Decision) -> bool:
    """Whether a model predicted what was decided by, and not the formula with its weights."""
    return bool(Facts.model_validate_json(decision.facts).by_model_tier)
