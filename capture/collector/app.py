"""The collector's HTTP application: who asks, how much, what became of each event. No personal data is noted.

Neither the address nor the user agent of a client is read, kept or logged.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from shopstream.schemas import EVENT_TYPES, Event, Reason, Rejected, Unavailable
from shopstream.schemas.http.answers import Answer, Refusal, answer_refusal, refusal_by_status, response_of
from shopstream.schemas.http.body import sent_body
from shopstream.schemas.http.front_desk import BUSY, Ended, FrontDesk, Visit
from shopstream.schemas.http.keys import find_key, presented_in_headers
from shopstream.schemas.http.rate_limit import RateLimits

from ..counters import Counter, Counts
from ..elevenlabs import Forged, voice_event
from .answers import FORBIDDEN, Result, answer_results
from .api_keys import PUBLISHABLE, TAKEN, ApiKey
from .body import Fields, events_in, inflate, media_type
from .openapi import document
from .settings import CollectorSettings

VOICE = "(elevenlabs)"
"""Names the bucket that limits the webhook's events; no key can have this name, nor the next."""

_OPEN = "(open)"
_LEDGER_FIELDS = ("writer_id", "sequence")


class Keeper(Protocol):
    """The part of Capture that the collector uses."""

    def track_or_reject(self, event: Event | Mapping[str, object], /) -> str | None:
        """Keep the event and give its event_id; None where consent forbids to keep it.

        Raises:
            Rejected: The event is wrong.
            Unavailable: The spool did not take it.
        """


@dataclass(frozen=True)
class Collector:
    """Everything the routes need."""

    capture: Keeper
    counts: Counts
    settings: CollectorSettings
    keys: Sequence[ApiKey]
    limits: RateLimits
    trouble: Callable[[], str | None]
    """Why the spool would not take an event now; None where it would. May touch the disk."""
    now: Callable[[], datetime]
    voice_secret: str | None = None
    """What ElevenLabs signs its webhooks with; None to take none."""
    worker: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "collector"))
    """A slow disk or a large batch may stop other events, never other answers. One thread, because the spool takes
    one append at a time anyway: with more of them batches came through at half the rate."""

    async def events(self, request: Request) -> Response:
        """POST /v1/events."""
        visit = Visit.of(request)
        key = self._key_of(request)
        self._spend(visit, key.name, 1)
        kind = media_type(request.headers.get("Content-Type", ""))
        encoding = request.headers.get("Content-Encoding", "")
        body = await sent_body(request, self.settings.body_bytes, self.settings.body_seconds)
        return await self._apart(partial(self._take, visit, key, body, encoding, kind))

    async def elevenlabs(self, request: Request) -> Response:
        """POST /v1/voice/elevenlabs."""
        secret, visit = self.voice_secret, Visit.of(request)
        if secret is None:
            raise Refusal(404, "not_found", "no webhook secret is set: CAPTURE_ELEVENLABS_SECRET")
        body = await sent_body(request, self.settings.body_bytes, self.settings.body_seconds)
        signature = request.headers.get("ElevenLabs-Signature", "")
        return await self._apart(partial(self._take_voice, visit, secret, body, signature))

    async def alive(self, _: Request) -> Response:
        """GET /healthz: the process answers."""
        return response_of(Answer(200, {"data": {"status": "alive"}, "meta": {}}))

    async def ready(self, _: Request) -> Response:
        """GET /readyz: the spool takes events."""
        if await run_in_threadpool(self.trouble) is not None:
            raise Refusal(503, "not_ready", "the spool takes no events now", headers={"Retry-After": "5"})
        return response_of(Answer(200, {"data": {"status": "ready"}, "meta": {}}))

    async def openapi(self, _: Request) -> Response:
        """GET /openapi.json."""
        return response_of(Answer(200, document()))

    def ended(self, request: Ended, _: Scope) -> None:
        """Count a request that found too many others."""
        if request.visit.code == BUSY:
            self.counts.add(Counter.COLLECTOR_BUSY)

    def _take(self, visit: Visit, key: ApiKey, body: bytes, encoding: str, kind: str) -> Answer:
        text = inflate(body, encoding, self.settings.body_bytes)
        events = events_in(text, kind, self.settings.batch_events)
        if (more := self.settings.cost(len(events), len(text)) - 1) > 0:
            self._spend(visit, key.name, more)
        return self._answer(visit, [self._result(key, event) for event in events])

    def _take_voice(self, visit: Visit, secret: str, body: bytes, signature: str) -> Answer:
        try:
            event = voice_event(body, signature, secret, self.now())
        except Forged:
            self.counts.add(Counter.COLLECTOR_UNAUTHORIZED)
            raise Refusal(401, "forged", "the signature is not of this body and secret, or is too old") from None
        except Rejected as rejection:
            if rejection.reason is Reason.UNKNOWN_EVENT_TYPE:
                # A webhook of another kind. One that is refused again and again is switched off by its sender.
                return self._answer(visit, [Result("ignored")])
            self.counts.add(Counter.COLLECTOR_UNREADABLE)
            return self._answer(visit, [Result.of_rejection(rejection)])
        self._spend(visit, VOICE, 1)
        return self._answer(visit, [self._tracked(event)])

    def _answer(self, visit: Visit, results: Sequence[Result]) -> Answer:
        for result in results:
            visit.count(result.status)
        return answer_results(results, visit.request_id)

    def _result(self, key: ApiKey, event: Fields | Rejected) -> Result:
        if isinstance(event, Rejected):
            self.counts.add(Counter.COLLECTOR_UNREADABLE)
            return Result.of_rejection(event)
        event_type = event.get("event_type")
        if isinstance(event_type, str) and event_type in EVENT_TYPES and event_type not in key.event_types:
            self.counts.add(Counter.COLLECTOR_FORBIDDEN)
            return Result(
                "rejected", reason=FORBIDDEN, detail="this key may not send events of this type", field="event_type"
            )
        for name in _LEDGER_FIELDS:
            if event.get(name) is not None:
                # The proof that nothing is missing rests on these numbers being the collector's own.
                self.counts.add(Counter.COLLECTOR_FORBIDDEN)
                return Result(
                    "rejected", reason="unknown_field", detail=f"{name} is given by the collector", field=name
                )
        return self._tracked(event if key.name == _OPEN else {**event, "source": key.name})

    def _tracked(self, event: Event | Mapping[str, object]) -> Result:
        try:
            event_id = self.capture.track_or_reject(event)
        except Rejected as rejection:
            return Result.of_rejection(rejection)
        except Unavailable:
            return Result("unavailable")
        return Result("ignored") if event_id is None else Result("kept", event_id=event_id)

    def _key_of(self, request: Request) -> ApiKey:
        presented = _presented(request)
        if presented is None and self.settings.open:
            key: ApiKey | None = ApiKey(_OPEN, b"", frozenset(TAKEN))
        else:
            key = find_key(self.keys, presented or "")
        if key is None:
            self.counts.add(Counter.COLLECTOR_UNAUTHORIZED)
            raise Refusal(
                401,
                "unauthorized",
                "send a key this collector knows: Authorization: Bearer, X-Api-Key, or ?key= for a publishable one",
                headers={"WWW-Authenticate": "Bearer"},
            )
        Visit.of(request).key = key.name
        return key

    def _spend(self, visit: Visit, name: str, events: int) -> None:
        allowance = self.limits.take(name, events)
        visit.headers |= self.limits.headers(allowance)
        if not allowance.granted:
            self.counts.add(Counter.COLLECTOR_LIMITED)
            raise Refusal(
                429,
                "rate_limited",
                "this key sends too fast; wait as long as Retry-After says",
                headers={"Retry-After": str(allowance.retry_seconds)},
            )

    async def _apart(self, take: Callable[[], Answer]) -> Response:
        """The answer, from the thread that reads bodies and writes to the spool."""
        return response_of(await asyncio.get_running_loop().run_in_executor(self.worker, take))


def build_app(collector: Collector, new_id: Callable[[], str], clock: Callable[[], float]) -> Starlette:
    """The ASGI application. `new_id` names requests; `clock` times them."""
    origins = collector.settings.allowed_origins()
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Type", "Content-Encoding", "X-Api-Key"],
        # navigator.sendBeacon always sends credentials; the collector reads none.
        allow_credentials="*" not in origins,
        expose_headers=["RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"],
        max_age=3600,
    )
    desk = Middleware(
        FrontDesk,
        most_requests=collector.settings.requests_at_once,
        new_id=new_id,
        clock=clock,
        on_end=collector.ended,
    )
    app = Starlette(
        routes=[
            Route("/v1/events", collector.events, methods=["POST"]),
            Route("/v1/voice/elevenlabs", collector.elevenlabs, methods=["POST"]),
            Route("/healthz", collector.alive, methods=["GET"]),
            Route("/readyz", collector.ready, methods=["GET"]),
            Route("/openapi.json", collector.openapi, methods=["GET"]),
        ],
        middleware=[cross_origin, desk] if origins else [desk],
        exception_handlers={Refusal: _refuse(collector.counts), HTTPException: _refuse_by_status},
    )
    app.router.redirect_slashes = False  # A redirect would lose a beacon's body.
    return app


def _presented(request: Request) -> str | None:
    """The key in the request; None where there is none at all."""
    if (key := presented_in_headers(request)) is not None:
        return key
    key = request.query_params.get("key", "")
    if not key:
        return None
    return key if key.startswith(PUBLISHABLE) else ""


def _refuse(counts: Counts) -> Callable[[Request, Exception], Response]:
    def handle(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)  # noqa: S101 - what it is registered for
        if error.status in {400, 408, 413, 415}:
            counts.add(Counter.COLLECTOR_UNREADABLE)
        Visit.of(request).code = error.code
        return response_of(answer_refusal(error))

    return handle


def _refuse_by_status(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return response_of(answer_refusal(refusal_by_status(error)))
