"""Features for whoever asks: one user's profile, and what the user may buy again."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from google.cloud import bigquery

from shopstream.schemas.features import Profile, Reorder

from .settings import FeatureSettings, refuse_redis
from .warehouse import Parameter, ask

Source = Literal["bigquery"]
MOST_REORDERS = 1000

_REPEATED = tuple(name for name, field in Profile.model_fields.items() if field.default == ())
_PROFILE = """
SELECT * FROM profiles
WHERE user_id = @user_id AND as_of = (SELECT MAX(as_of) FROM profiles)
"""
_REORDERS = """
SELECT * FROM reorders
WHERE user_id = @user_id AND as_of = (SELECT MAX(as_of) FROM reorders) AND `rank` <= @k
ORDER BY `rank`
"""


@dataclass(frozen=True)
class ServedProfile:
    """A user's profile, its date, and where it was read."""

    profile: Profile
    as_of: date
    source: Source


@dataclass(frozen=True)
class ServedReorders:
    """What a user may buy again, the most probable first; empty for a user without purchases."""

    user_id: str
    reorders: tuple[Reorder, ...]
    as_of: date | None
    """None where there is no row to have a date."""
    source: Source


class Features:
    """Reads features of the latest date computed.

    Raises:
        SettingsError: REDIS_ENABLED is true, which is not there yet; or, when reading, a table is missing.
        Unavailable: When reading: BigQuery does not answer.
    """

    def __init__(self, client: bigquery.Client, settings: FeatureSettings) -> None:
        refuse_redis(settings)
        self._client = client
        self._settings = settings

    def profile(self, user_id: str) -> ServedProfile | None:
        """The user's latest profile; None for a user the latest date does not know."""
        rows = ask(self._client, self._settings, _PROFILE, [_user(user_id)])
        if not rows:
            return None
        # The client gives lists, and None for an empty one from the emulator.
        profile = Profile.model_validate({**rows[0], **{name: tuple(rows[0][name] or ()) for name in _REPEATED}})
        return ServedProfile(profile, profile.as_of, "bigquery")

    def reorders(self, user_id: str, k: int = 10) -> ServedReorders:
        """The k products (1 to 1000) the user will most probably buy again.

        Raises:
            ValueError: k is out of range.
        """
        if not 1 <= k <= MOST_REORDERS:
            raise ValueError(f"k is {k}, but must be from 1 to {MOST_REORDERS}")
        rows = ask(self._client, self._settings, _REORDERS, [_user(user_id), Parameter("k", "INT64", k)])
        found = tuple(Reorder.model_validate(row) for row in rows)
        return ServedReorders(user_id, found, found[0].as_of if found else None, "bigquery")


def _user(user_id: str) -> Parameter:
    return Parameter("user_id", "STRING", user_id)
