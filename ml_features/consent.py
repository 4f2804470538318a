"""What one user has decided about a use of data, for whoever serves the user."""

from typing import Literal, TypeAlias

from shopstream.schemas.serving.served import ServedConsentState
from shopstream.schemas.table import Purpose

from .serving.answer import Answer
from .settings import FeatureSettings

Decided: TypeAlias = Literal["granted", "refused", "undecided", "unknown"]
"""`unknown`: nobody answered, and nothing of the user may be used."""


def decided(states: Answer[ServedConsentState], purpose: Purpose) -> Decided:
    """What the user has decided."""
    if states.source == "default":
        return "unknown"
    granted = next((state.granted for state in states.rows if state.purpose == purpose), None)
    if granted is None:
        return "undecided"
    return "granted" if granted else "refused"


def allows(settings: FeatureSettings, decided: Decided) -> bool:
    """Whether the use is allowed: CONSENT_OTHERWISE counts where nothing was decided."""
    return decided == "granted" or (decided == "undecided" and settings.allowed_otherwise)
