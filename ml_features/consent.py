"""What one user has decided about a use of data, for whoever serves the user."""

from typing import Literal, TypeAlias

from google.cloud import bigquery

from shopstream.schemas.table import Purpose

from .settings import FeatureSettings
from .warehouse import Parameter, ask

Decided: TypeAlias = Literal["granted", "refused", "undecided"]

_CONSENT = "SELECT granted FROM consent_states WHERE user_id = @user_id AND purpose = @purpose"


def consent_of(client: bigquery.Client, settings: FeatureSettings, user_id: str, purpose: Purpose) -> Decided:
    """What the user has decided.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    asked = [Parameter("user_id", "STRING", user_id), Parameter("purpose", "STRING", purpose)]
    rows = ask(client, settings, _CONSENT, asked)
    if not rows:
        return "undecided"
    return "granted" if rows[0]["granted"] else "refused"


def allows(settings: FeatureSettings, decided: Decided) -> bool:
    """Whether the use is allowed: CONSENT_OTHERWISE counts where nothing was decided."""
    return decided == "granted" or (decided == "undecided" and settings.allowed_otherwise)
