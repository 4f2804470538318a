"""A collector in-process, over a capture whose clock, chance and backend belong to the test."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import pytest

from shopstream.capture.collector.api_keys import new_key
from shopstream.capture.collector.app import Collector, build_app
from shopstream.capture.collector.settings import CollectorSettings
from shopstream.capture.counters import Counter
from shopstream.schemas.http.rate_limit import RateLimits
from tests.unit.capture.conftest import NOW, Rig

SEARCH = {"event_type": "search", "query_id": "q-1", "query": "red wine"}
ORDER = {
    "event_type": "order",
    "order_id": "o-1",
    "status": "placed",
    "items": [{"product_id": "p-1", "quantity": "1", "unit_price": "2.50"}],
    "currency": "EUR",
    "total_amount": "2.50",
}


@dataclass
class Desk:
    """A collector with three keys, and everything that stands behind it."""

    transport: httpx.ASGITransport
    runner: asyncio.Runner
    rig: Rig
    service: str
    """A secret key that may send everything; its name is order-service."""
    page: str
    """A publishable key for searches and interactions; its name is web."""

    def post(self, body: Any = b"", *, key: str | None = None, **headers: str) -> httpx.Response:
        """POST /v1/events with the service's key; `body` is JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named |= {"X-Api-Key": self.service if key is None else key}
        return self.ask("POST", "/v1/events", content=content, headers=named)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://collector") as client:
                return await client.request(method, path, **more)

        return self.runner.run(asked())

    def count(self, counter: Counter) -> int:
        return self.rig.count(counter)

    def kept(self) -> list[dict[str, Any]]:
        self.rig.ship()
        return self.rig.backend.events()

    def failed(self) -> list[dict[str, Any]]:
        self.rig.ship()
        return self.rig.backend.failed()


@pytest.fixture
def new_desk(new_rig: Callable[..., Rig]) -> Iterator[Callable[..., Desk]]:
    with asyncio.Runner() as runner:

        def make(
            *,
            rig: Rig | None = None,
            trouble: Callable[[], str | None] = lambda: None,
            voice_secret: str | None = None,
            capture: Any = None,
            **settings: Any,
        ) -> Desk:
            rig = rig or new_rig()
            read = CollectorSettings(**settings)
            service, service_key = new_key("order-service", (), publishable=False, random=Random(1))
            page, page_key = new_key("web", (), publishable=True, random=Random(2))
            collector = Collector(
                capture=capture or rig.capture,
                counts=rig.counts,
                settings=read,
                keys=[service_key, page_key],
                limits=RateLimits("events", read.events_per_second, read.burst(), rig.clock),
                trouble=trouble,
                now=lambda: NOW,
                voice_secret=voice_secret,
            )
            app = build_app(collector, lambda: "0" * 32, rig.clock)
            return Desk(httpx.ASGITransport(app=app), runner, rig, service, page)

        yield make


@pytest.fixture
def desk(new_desk: Callable[..., Desk]) -> Desk:
    return new_desk()
