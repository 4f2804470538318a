"""The serving API as an ASGI application."""

from collections.abc import Callable

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from shopstream.schemas.http.answers import Answer, Refusal, refusal_by_status, response_of
from shopstream.schemas.http.front_desk import FrontDesk
from shopstream.schemas.serving.views import WEIGHTS

from ..console.app import add_console
from .answers import refused
from .decisions import add_decision_routes
from .desk import Desk
from .openapi import document, probe_doc
from .products import add_product_routes
from .route import route_class
from .users import add_user_routes


class ServingApi(FastAPI):
    """The routes behind one front desk, which does what the framework's middleware does: it answers also failures.

    Nothing is traced or logged by the framework, which would write down whose data was asked for.
    """

    def __init__(self, desk: Desk, new_id: Callable[[], str]) -> None:
        """Serve what the desk gives; `new_id` names requests."""
        super().__init__(
            title="Shopstream features",
            version="1",
            summary="What a shop knows of its users and products; see docs/serving.md.",
            docs_url=None,  # Their pages load scripts from elsewhere.
            redoc_url=None,
            openapi_url=None,  # Added last: routes are looked through in their order.
            redirect_slashes=False,
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        self._desk, self._new_id = desk, new_id
        self.router.route_class = route_class(desk.enter, refused)
        for add_routes in (add_user_routes, add_product_routes, add_decision_routes, _add_probes):
            add_routes(self, desk)
        if desk.api.console_enabled:
            add_console(self, desk)

    def build_middleware_stack(self) -> ASGIApp:
        """The front desk before the router, and nothing between them but what the router refuses."""

        async def known(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.router(scope, receive, send)
            except HTTPException as error:  # No such path, no such method.
                await refused(Request(scope), refusal_by_status(error))(scope, receive, send)

        return FrontDesk(
            known,
            most_requests=self._desk.api.requests_at_once,
            new_id=self._new_id,
            clock=self._desk.clock.monotonic,
            on_end=self._desk.ended,
        )

    def openapi(self) -> dict[str, object]:
        """The document, with how keys are sent."""
        return document(self)


def _add_probes(app: FastAPI, desk: Desk) -> None:
    @app.get("/healthz", tags=["probes"], summary="Whether the process answers", responses=probe_doc("alive"))
    async def alive(_: Request) -> Response:
        return response_of(Answer(200, {"data": {"status": "alive"}, "meta": {}}))

    @app.get(
        "/readyz",
        tags=["probes"],
        summary="Whether Redis or the warehouse answers",
        responses=probe_doc("ready", may_fail=True),
    )
    async def ready(_: Request) -> Response:
        answer = await desk.get(WEIGHTS, "")
        if answer.source == "default":
            raise Refusal(503, "not_ready", "neither Redis nor the warehouse answers", headers={"Retry-After": "5"})
        return response_of(Answer(200, {"data": {"status": "ready"}, "meta": {"source": answer.source}}))

    @app.get(
        "/metrics",
        tags=["probes"],
        summary="Figures for Prometheus, without a word about users",
        responses={200: {"description": "In its text format.", "content": {"text/plain": {}}}},
    )
    async def metrics(_: Request) -> Response:
        return Response(desk.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(_: Request) -> Response:
        return Response(orjson.dumps(app.openapi()), media_type="application/json")
