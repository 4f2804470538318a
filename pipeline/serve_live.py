"""Live rows and decisions about consent into Redis, beside their tables; what Redis does not take now is counted.

A row that is lost is made good by the user's next event, or by the nightly job. A decision is not lost: it is tried
again with the next ones.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shopstream.schemas.live.hidden_products import HiddenProducts
from shopstream.schemas.live.live_reorders import LiveReorders
from shopstream.schemas.live.live_session import LiveSession
from shopstream.schemas.serving.keys import Keys, Publication, decision_value
from shopstream.schemas.serving.scripts import DECIDE, SET_NEWER
from shopstream.schemas.serving.views import LIVE, View
from shopstream.schemas.table import Purpose

from .clock import Clock
from .options import PipelineSettings

logger = logging.getLogger(__name__)

SECONDS = 2.0
"""So long Redis may take for a bundle's rows."""
MOST_WAITING = 100_000
"""Decisions kept while Redis is away; the oldest go first, and reach readers with the next nightly publication."""


LiveRow: TypeAlias = LiveSession | LiveReorders | HiddenProducts


class ConsentDecision(msgspec.Struct, frozen=True):
    """What has to be known of a consent event."""

    user_id: str
    purpose: Purpose
    granted: bool
    occurred_at: datetime
    traffic: str | None = None


def connect_to_redis(settings: PipelineSettings) -> redis.Redis:
    """A client that waits so long at most, and tries once."""
    return redis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class LiveServing:
    """Writes to one Redis; of two rows or decisions about the same the later one stays, however often they come."""

    def __init__(self, settings: PipelineSettings, now: Clock) -> None:
        self._keys, self._now = Keys(settings.redis_prefix), now
        self._client = connect_to_redis(settings)
        self._set_newer = self._client.register_script(SET_NEWER)
        self._decide = self._client.register_script(DECIDE)
        self._announced: set[str] = set()
        self._waiting: list[ConsentDecision] = []

    def is_announced(self, view: View) -> bool:
        """Whether readers look for rows of this view here; True where Redis does not answer."""
        try:
            return bool(self._client.hexists(self._keys.published, view.name))
        except (redis.RedisError, OSError):
            return True

    def write(self, view: View, rows: Sequence[LiveRow], *, announce: bool = False) -> bool:
        """Put each user's row; False where Redis did not take them. Readers look here once there was a row.

        With `announce` they do so also without one: who is not here has none.
        """
        theirs = [row for row in rows if row.user_id is not None]
        begins = self._keys.rows(view.name, LIVE)

        def put(pipeline: Any) -> None:  # noqa: ANN401 - a pipeline's methods have no types
            for row in theirs:
                value = view.live_value(row)
                self._set_newer(keys=[f"{begins}{row.user_id}"], args=[value, view.seconds], client=pipeline)
            self._announce(view, pipeline)

        done = not (theirs or announce) or self._do(put, len(theirs))
        if done:
            self._announced.add(view.name)
        return done

    def decide(self, decisions: Sequence[ConsentDecision]) -> None:
        """Put these decisions, and those that wait."""
        self._waiting = [*self._waiting, *decisions][-MOST_WAITING:]

        def put(pipeline: Any) -> None:  # noqa: ANN401 - as above
            for each in self._waiting:
                keys = [self._keys.consent(each.purpose), self._keys.consent_changes]
                decided = decision_value(each.occurred_at, self._now(), granted=each.granted)
                self._decide(keys=keys, args=[each.user_id, decided], client=pipeline)

        if self._waiting and self._do(put, len(self._waiting)):
            self._waiting = []

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _announce(self, view: View, pipeline: Any) -> None:  # noqa: ANN401 - as above
        """Readers look for live rows where somebody says that there are some, and in what layout."""
        now = self._now()
        publication = Publication(
            order="",
            as_of=now.date(),
            version=LIVE,
            layout=view.layout,
            keys=0,
            published_at=now,
            evicted_keys=0,
            previous_version=None,
        )
        set_field = pipeline.hsetnx if view.name in self._announced else pipeline.hset
        set_field(self._keys.published, view.name, publication.packed())

    def _do(self, put: Callable[[Any], None], count: int) -> bool:
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                put(pipeline)
                pipeline.execute()
        except (redis.RedisError, OSError) as error:
            logger.warning("Redis took nothing", extra={"rows": count, "why": type(error).__name__})
            return False
        return True
