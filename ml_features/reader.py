"""Features for whoever asks: one user's profile, and what the user may buy again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from google.cloud import bigquery

from shopstream.schemas.features import ModelReorder, Profile, Reorder
from shopstream.schemas.live.live_reorders import LiveReorders
from shopstream.schemas.live.live_session import LiveSession
from shopstream.schemas.table import Table

from .settings import FeatureSettings, refuse_redis
from .warehouse import Parameter, Row, ask

Source = Literal["bigquery"]
MOST_REORDERS = 1000

_REPEATED = tuple(name for name, field in Profile.model_fields.items() if field.default == ())
_PROFILE = """
SELECT * FROM profiles
WHERE user_id = @user_id AND as_of = (SELECT MAX(as_of) FROM profiles)
"""
_PREDICTIONS = """
SELECT * FROM {table}
WHERE user_id = @user_id AND as_of = (SELECT MAX(as_of) FROM {table}) AND `rank` <= @k
ORDER BY `rank`
"""
_LATEST_LIVE = """
SELECT live.*
FROM {table} AS live
LEFT JOIN consent_states
  ON live.user_id = consent_states.user_id AND consent_states.purpose = '{purpose}'
WHERE
  live.user_id = @user_id
  AND computed_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL {days} DAY)
  AND IFNULL(consent_states.granted, @allowed_otherwise)
ORDER BY {latest}
LIMIT 1
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
    reorders: tuple[Reorder | ModelReorder, ...]
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
        asked = [_user(user_id), Parameter("k", "INT64", k)]
        if self._settings.reorder_tier == "model":
            rows = ask(self._client, self._settings, _PREDICTIONS.format(table="model_reorders"), asked)
            predicted = tuple(ModelReorder.model_validate(row) for row in rows)
            return ServedReorders(user_id, predicted, predicted[0].as_of if predicted else None, "bigquery")
        rows = ask(self._client, self._settings, _PREDICTIONS.format(table="reorders"), asked)
        nightly = [Reorder.model_validate(row) for row in rows]
        found = merged(self._live_reorders(user_id), nightly)[:k]
        return ServedReorders(user_id, tuple(found), found[0].as_of if found else None, "bigquery")

    def session(self, user_id: str) -> LiveSession | None:
        """The user's latest session as it stands; None without one in the last three days.

        Kept only where the streaming job runs with LIVE_FEATURES_ENABLED.
        """
        row = self._latest(LiveSession.table, "ended_at DESC, events DESC", user_id)
        return None if row is None else LiveSession.model_validate({**row, "cart": tuple(row["cart"] or ())})

    def _live_reorders(self, user_id: str) -> LiveReorders | None:
        row = self._latest(LiveReorders.table, "ordered_at DESC, computed_at DESC", user_id)
        return None if row is None else LiveReorders.model_validate({**row, "reorders": tuple(row["reorders"] or ())})

    def _latest(self, table: Table, latest: str, user_id: str) -> Row | None:
        """The user's latest row of a live table; None without one, or where the user does not allow its purpose."""
        statement = _LATEST_LIVE.format(table=table.name, purpose=table.purpose, days=table.expiry_days, latest=latest)
        allowed = Parameter("allowed_otherwise", "BOOL", self._settings.allowed_otherwise)
        return next(iter(ask(self._client, self._settings, statement, [_user(user_id), allowed])), None)


def merged(live: LiveReorders | None, nightly: Sequence[Reorder]) -> list[Reorder]:
    """The live list where it knows a later order than the nightly one, followed by what only the nightly one names."""
    if live is None or (nightly and live.ordered_at.date() <= nightly[0].as_of):
        return list(nightly)
    named = {reorder.product_id for reorder in live.reorders}
    every = [*live.reorders, *(reorder for reorder in nightly if reorder.product_id not in named)]
    return [reorder.model_copy(update={"rank": rank}) for rank, reorder in enumerate(every, 1)]


def _user(user_id: str) -> Parameter:
    return Parameter("user_id", "STRING", user_id)
