"""What a user is like, may buy again and is doing, of several views put together."""

from collections.abc import Iterable, Sequence

import msgspec

from shopstream.schemas.features import PersonaName
from shopstream.schemas.serving.served import (
    ServedLiveReorders,
    ServedLiveSession,
    ServedPersona,
    ServedProfile,
    ServedReorder,
)
from shopstream.schemas.serving.views import (
    CONSENTS,
    LIVE_REORDERS,
    LIVE_SESSIONS,
    MODEL_REORDERS,
    MOST_REORDERS,
    PROFILES,
    REORDERS,
)
from shopstream.schemas.table import Purpose

from .consent import Decided, decided
from .serving.answer import Answer, Predicted
from .serving.store import AsyncFeatureStore, FeatureStore
from .settings import FeatureSettings

TOLD_WINDOW_DAYS = 180


class Features:
    """Reads of a store what belongs together, by the setting REORDER_TIER. As the store, it raises nothing."""

    def __init__(self, store: FeatureStore, settings: FeatureSettings) -> None:
        self._store, self._settings = store, settings

    def profile(self, user_id: str, *, seconds: float | None = None) -> Answer[ServedProfile]:
        """The user's latest profile; no row for a user the latest date does not know."""
        return self._store.get(PROFILES, user_id, seconds=seconds)

    def reorders(self, user_id: str, k: int = 10, *, seconds: float | None = None) -> Answer[Predicted]:
        """The k products (1 to 50) the user will most probably buy again.

        Raises:
            ValueError: k is out of range.
        """
        _check(k)
        if self._settings.reorder_tier == "model":
            of_model = self._store.get(MODEL_REORDERS, user_id, seconds=seconds)
            return of_model.with_rows(of_model.rows[:k], of_model.as_of)
        nightly = self._store.get(REORDERS, user_id, seconds=seconds)
        live = self._store.get(LIVE_REORDERS, user_id, seconds=seconds)
        return merged(live, nightly, k)

    def consent(self, user_id: str, purpose: Purpose, *, seconds: float | None = None) -> Decided:
        """What the user has decided about a use of data. Who allows it after all is known with the next publication."""
        return decided(self._store.get(CONSENTS, user_id, seconds=seconds), purpose)

    def session(self, user_id: str, *, seconds: float | None = None) -> Answer[ServedLiveSession]:
        """The user's latest session as it stands; no row without one in the last three days.

        Kept only where the streaming job runs with LIVE_FEATURES_ENABLED.
        """
        return self._store.get(LIVE_SESSIONS, user_id, seconds=seconds)


class AsyncFeatures:
    """What of it takes more than a view, for an event loop."""

    def __init__(self, store: AsyncFeatureStore, settings: FeatureSettings) -> None:
        self._store, self._settings = store, settings

    async def reorders(self, user_id: str, k: int = 10, *, seconds: float | None = None) -> Answer[Predicted]:
        """As of Features."""
        _check(k)
        if self._settings.reorder_tier == "model":
            of_model = await self._store.get(MODEL_REORDERS, user_id, seconds=seconds)
            return of_model.with_rows(of_model.rows[:k], of_model.as_of)
        nightly = await self._store.get(REORDERS, user_id, seconds=seconds)
        live = await self._store.get(LIVE_REORDERS, user_id, seconds=seconds)
        return merged(live, nightly, k)

    async def consent(self, user_id: str, purpose: Purpose, *, seconds: float | None = None) -> Decided:
        """As of Features."""
        return decided(await self._store.get(CONSENTS, user_id, seconds=seconds), purpose)


def _check(k: int) -> None:
    if not 1 <= k <= MOST_REORDERS:
        raise ValueError(f"k is {k}, but must be from 1 to {MOST_REORDERS}")


def told_persona(personas: Iterable[ServedPersona]) -> PersonaName | None:
    """Of a user's personas the one that is told: of the longer window, which changes less."""
    return next((each.persona for each in personas if each.window_days == TOLD_WINDOW_DAYS), None)


def merged(live: Answer[ServedLiveReorders], nightly: Answer[ServedReorder], k: int) -> Answer[Predicted]:
    """The live list where it knows a later order than the nightly one, followed by what only the nightly one names."""
    newest = live.row
    if newest is None or (nightly.as_of is not None and newest.ordered_at.date() <= nightly.as_of and nightly.rows):
        return nightly.with_rows(nightly.rows[:k], nightly.as_of)
    named = {reorder.product_id for reorder in newest.reorders}
    every: Sequence[ServedReorder] = [*newest.reorders, *(row for row in nightly.rows if row.product_id not in named)]
    ranked = [msgspec.structs.replace(row, rank=rank) for rank, row in enumerate(every[:k], 1)]
    return live.with_rows(ranked, newest.ordered_at.date())
