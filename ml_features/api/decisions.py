"""The route about decisions that were kept."""

import json
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Path, Request, Response

from shopstream.schemas.decision import Decision
from shopstream.schemas.http.front_desk import Visit

from ..consent import allows
from ..decisions.recommender import kept_decision
from .answers import chosen_fields, not_found, picked, respond
from .desk import Desk
from .openapi import errors, rows_doc
from .route import needs
from .users import FieldNames

_FIELDS = tuple(Decision.model_fields)
DecisionId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As the list was answered with.")]


def add_decision_routes(app: FastAPI, desk: Desk) -> None:
    """Add the routes, over what stands behind them."""

    @app.get(
        "/v1/decisions/{decision_id}",
        summary="A list that was served, and what it was decided by",
        tags=["decisions"],
        openapi_extra=needs("read"),
        responses=rows_doc(Decision, [name for name in _FIELDS if name != "facts"]) | errors(404),
    )
    async def decision(request: Request, decision_id: DecisionId, fields: FieldNames = None) -> Response:
        chosen = chosen_fields(fields, _FIELDS, _FIELDS)
        found = await desk.apart(partial(kept_decision, desk.client, desk.settings, decision_id))
        if found is None:
            raise not_found("such decision")
        if found.user_id is not None:
            Visit.of(request).about = (found.user_id,)
            if not allows(desk.settings, await desk.features.consent(found.user_id, "personalization")):
                raise not_found("such decision")
        row = {**found.model_dump(mode="json"), "facts": json.loads(found.facts)}
        return respond(request, picked(row, chosen), {"source": "warehouse"})
