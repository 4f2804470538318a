"""A small search service that captures what happens in it: searches, clicks, orders and spoken conversations.

docs/examples/README.md says how to start it and try it; tests/integration/capture/test_example_service.py holds it to
its word.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import uuid4

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field

from shopstream.capture import (
    Capture,
    CaptureSettings,
    capture_search,
    interaction,
    item,
    open_capture,
    order,
)
from shopstream.capture.asgi import CaptureContext, cookie, header, yes_or_no
from shopstream.capture.elevenlabs import Forged, voice_event
from shopstream.schemas import Reason, Rejected, read_settings

PAGE_SIZE = 3
PRODUCTS = {
    "p-1": ("Oat milk", Decimal("1.99")),
    "p-2": ("Oat drink, barista", Decimal("2.49")),
    "p-3": ("Whole milk", Decimal("1.29")),
    "p-4": ("Milk chocolate", Decimal("0.99")),
    "p-5": ("Almond milk", Decimal("2.29")),
    "p-6": ("Red wine", Decimal("5.99")),
}


class Hit(BaseModel):
    """One product of an answer."""

    product_id: str
    name: str
    position: int


class Answer(BaseModel):
    """What a search found."""

    query_id: str
    """The page sends it back with every click and order, which ties them to this search."""
    total: int
    hits: list[Hit]


class Click(BaseModel):
    """A hit was opened."""

    product_id: str
    query_id: str | None = None
    position: int | None = None


class Basket(BaseModel):
    """What is bought."""

    products: dict[str, int] = Field(min_length=1)
    """Pieces by product_id."""
    query_id: str | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Capture is opened by each worker process for itself, and closed on SIGTERM: what is left to ship is shipped."""
    app.state.capture = open_capture()
    app.state.elevenlabs_secret = read_settings(CaptureSettings, os.environ).elevenlabs_secret
    yield
    # It may take CAPTURE_DRAIN_SECONDS. What no backend takes by then waits on disk for the next start.
    await asyncio.to_thread(app.state.capture.close)


app = FastAPI(title="A small search service", lifespan=lifespan)
app.add_middleware(
    CaptureContext,
    # The shop's own visit cookie. Capture only reads it; without one, events have no session.
    session_id=cookie("sid"),
    # Set by the gateway that checked who it is. Never take it from a browser: anybody could be anybody.
    user_id=header("x-user-id"),
    # What the consent banner stored.
    analytics_consent=yes_or_no(cookie("analytics")),
    channel="web",
)


def _capture(request: Request) -> Capture:
    capture: Capture = request.app.state.capture
    return capture


Captured = Annotated[Capture, Depends(_capture)]


@app.get("/search")
async def search(capture: Captured, q: Annotated[str, Query()], page: Annotated[int, Query(ge=1)] = 1) -> Answer:
    """Products whose name holds every word of the query."""
    # Everything that can fail or take time goes inside: then latency and errors are captured with the search.
    with capture_search(capture, query=q, page=page) as call:
        found = await _find(q)
        first = (page - 1) * PAGE_SIZE
        shown = found[first : first + PAGE_SIZE]
        call.results(shown, first_position=first + 1)
        call.total_results = len(found)
    hits = [Hit(product_id=each, name=PRODUCTS[each][0], position=n) for n, each in enumerate(shown, first + 1)]
    return Answer(query_id=call.query_id, total=len(found), hits=hits)


@app.post("/click", status_code=204)
def click(capture: Captured, body: Click) -> None:
    """A hit was opened. A plain function runs on a worker thread; the request's context is there too."""
    capture.track(
        interaction(action="click", product_id=body.product_id, query_id=body.query_id, position=body.position)
    )


@app.post("/orders", status_code=201)
def orders(capture: Captured, body: Basket) -> dict[str, str]:
    """Buys the products; the event is tracked once the order stands."""
    if unknown := body.products.keys() - PRODUCTS.keys():
        raise HTTPException(404, f"{len(unknown)} of the products are not sold here")
    order_id = str(uuid4())
    capture.track(
        order(
            order_id=order_id,
            status="placed",
            items=[
                item(product_id=each, quantity=pieces, unit_price=PRODUCTS[each][1])
                for each, pieces in body.products.items()
            ],
            currency="EUR",
            # Exact, not float: the tables hold amounts as NUMERIC.
            total_amount=sum((PRODUCTS[each][1] * pieces for each, pieces in body.products.items()), Decimal(0)),
            query_id=body.query_id,
        )
    )
    return {"order_id": order_id}


@app.post("/voice/elevenlabs")
async def voice(capture: Captured, request: Request) -> Response:
    """The post-call webhook of an ElevenLabs agent."""
    secret = request.app.state.elevenlabs_secret
    if secret is None:
        raise HTTPException(404, "CAPTURE_ELEVENLABS_SECRET is not set")
    # The signature is over the bytes as they came, so no framework may parse them before.
    body = await request.body()
    signature = request.headers.get("elevenlabs-signature", "")
    try:
        fields = voice_event(body, signature, secret.get_secret_value(), datetime.now(UTC))
    except Forged as forged:
        raise HTTPException(401, str(forged)) from None
    except Rejected as rejection:
        if rejection.reason != Reason.UNKNOWN_EVENT_TYPE:
            raise HTTPException(422, str(rejection)) from None
        # Audio and failed calls are no events of ours; a refusal would make ElevenLabs switch the webhook off.
        return Response(status_code=200)
    capture.track(fields)
    return Response(status_code=200)


async def _find(query: str) -> list[str]:
    """Stands for a search engine."""
    await asyncio.sleep(0)
    words = query.lower().split()
    return [each for each, (name, _) in PRODUCTS.items() if all(word in name.lower() for word in words)]
