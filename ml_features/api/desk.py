"""Everything the routes need, and what each of them does first: who asks, and how often."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from google.cloud import bigquery
from starlette.requests import Request
from starlette.types import Scope

from shopstream.schemas import SettingsError, Unavailable
from shopstream.schemas.http.answers import Refusal
from shopstream.schemas.http.front_desk import Ended, Visit
from shopstream.schemas.http.keys import presented_in_headers
from shopstream.schemas.http.rate_limit import RateLimits
from shopstream.schemas.lookup import ApiRole, Lookup
from shopstream.schemas.serving.views import Item, ServedView

from ..clock import Clock
from ..decisions.recommender import Recommender
from ..reader import AsyncFeatures
from ..serving.answer import Answer
from ..serving.store import AsyncFeatureStore, FeatureStore
from ..settings import FeatureSettings
from ..warehouse import Refused
from .answers import unavailable
from .keys import ApiKey, KeyRing
from .metrics import Metrics
from .settings import ApiSettings
from .table_writer import TableWriter

Result = TypeVar("Result")
_KEY = "shopstream.key"
"""Where a request's scope has its key."""
INVALID = 422
"""What was asked for is no user, or no question."""


@dataclass(frozen=True)
class Desk:
    """What stands behind the routes."""

    settings: FeatureSettings
    api: ApiSettings
    keys: KeyRing
    limits: RateLimits
    store: AsyncFeatureStore
    patient_store: FeatureStore
    """The same for threads of the console, which would rather wait than have nothing."""
    features: AsyncFeatures
    recommender: Recommender
    client: bigquery.Client
    audit: TableWriter | None
    metrics: Metrics
    clock: Clock
    worker: Executor
    """Runs what waits for the warehouse."""

    def enter(self, request: Request, role: ApiRole) -> None:
        """Let the request in: the key in its headers has this role, and asks not too often.

        Raises:
            Refusal: 401, 403 or 429.
        """
        self.admit(request, presented_in_headers(request) or "", role)

    def admit(self, request: Request, presented: str, role: ApiRole) -> ApiKey:
        """Let the request in with this key.

        Raises:
            Refusal: 401, 403 or 429.
        """
        visit = Visit.of(request)
        key = self.keys.find(presented)
        if key is None:
            raise Refusal(
                401,
                "unauthorized",
                "send a key this server knows: Authorization: Bearer, or X-Api-Key",
                headers={"WWW-Authenticate": "Bearer"},
            )
        visit.key = key.name
        request.scope[_KEY] = key
        if (user_id := request.path_params.get("user_id")) is not None:
            visit.about = (user_id,)
        self.spend(request, 1)
        if not key.may(role):
            raise Refusal(403, "forbidden", f"this key may not do this: its role is {key.role}, needed is {role}")
        visit.level = logging.DEBUG
        return key

    def spend(self, request: Request, requests: int) -> None:
        """Count so many requests against the rate of the request's key.

        Raises:
            Refusal: 429: There were too many.
        """
        visit = Visit.of(request)
        allowance = self.limits.take(str(visit.key), requests)
        visit.headers |= self.limits.headers(allowance)
        if not allowance.granted:
            raise Refusal(
                429,
                "rate_limited",
                "this key asks too often; wait as long as Retry-After says",
                headers={"Retry-After": str(allowance.retry_seconds)},
            )

    @property
    def tomorrow(self) -> date:
        """Where a list that begins with the latest day begins."""
        return self.clock.now().date() + timedelta(days=1)

    async def get(self, view: ServedView[Item], key: str) -> Answer[Item]:
        """The rows of a key, counted."""
        return self.metrics.heard(view, await self.store.get(view, key))

    async def apart(self, read: Callable[[], Result]) -> Result:
        """What a function gives that waits for the warehouse, if that answers in time.

        Raises:
            Refusal: 503: It does not.
        """
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self.worker, read)
        try:
            return await asyncio.wait_for(reading, self.api.warehouse_seconds)
        except TimeoutError:
            raise unavailable() from None
        except (Unavailable, Refused, SettingsError) as error:
            logging.getLogger(__name__).warning("the warehouse did not answer a request: %s", error)
            raise unavailable() from error

    def ended(self, request: Ended, scope: Scope) -> None:
        """Count a request that has ended, and note whose data it asked for."""
        self.metrics.ended(request)
        key: ApiKey | None = scope.get(_KEY)
        if self.audit is None or key is None or request.route is None or request.status == INVALID:
            return
        now = self.clock.now()
        for user_id in request.visit.about:
            self.audit.note(
                Lookup.model_construct(
                    looked_up_at=now,
                    request_id=request.visit.request_id,
                    key_name=key.name,
                    role=key.role,
                    route=request.route,
                    user_id=user_id,
                    status=request.status,
                )
            )
