"""The routes about users."""

from datetime import date
from functools import partial
from typing import Annotated, Any, Literal, get_args

import msgspec
from fastapi import FastAPI, Path, Query, Request, Response
from pydantic import BeforeValidator, TypeAdapter

from shopstream.schemas.decision import Decision, DecisionKind
from shopstream.schemas.features import PersonaName
from shopstream.schemas.http.answers import Json, Refusal
from shopstream.schemas.http.body import sent_body
from shopstream.schemas.http.front_desk import Visit
from shopstream.schemas.identifiers import Opaque
from shopstream.schemas.serving.served import ServedLiveSession, ServedProfile, ServedReorder
from shopstream.schemas.serving.views import LIVE_SESSIONS, MOST_REORDERS, PROFILES, REORDERS

from ..serving.answer import Answer
from .answers import chosen_fields, cursor_of, meta_of, not_found, picked, position_in, respond
from .desk import Desk
from .history import SPELL_FIELDS, Page, persona_spells
from .openapi import data_doc, errors, row_doc, rows_doc
from .route import needs

MOST_USERS = 1000
"""Of one request for profiles."""
USERS_A_REQUEST = 10
"""So many profiles count as one request against the rate of a key."""
MOST_CART = 100

UserId = Annotated[Opaque, Path(description="The user: an opaque identifier.")]
ProductIds = Annotated[list[Opaque] | None, Query(max_length=MOST_CART)]
WindowDays = Annotated[Literal[30, 180], BeforeValidator(int), Query(description="Of so many days.")]
FieldNames = Annotated[str | None, Query(description="Fields to give, by commas; unset for the usual ones.")]
Cursor = Annotated[str | None, Query(max_length=256, description="`meta.next_cursor` of the page before.")]

Place = Annotated[int, msgspec.Meta(ge=0)]
"""Of a row in a list, from 0."""

_PROFILE = ServedProfile.__struct_fields__
_SESSION = ServedLiveSession.__struct_fields__
_REORDER = tuple(name for name in ServedReorder.__struct_fields__ if name != "inputs")
_DECISION = tuple(name for name in Decision.model_fields if name != "facts")
_PROFILE_DOC = {"anyOf": [row_doc(PROFILES.model, _PROFILE), {"type": "null"}]}
_NAME = {"enum": [*get_args(PersonaName), None]}
_DATE = {"type": "string", "format": "date"}
_SPELL_DOC = {
    "type": "object",
    "properties": {"persona": _NAME, "since": _DATE, "until": _DATE, "previous_persona": _NAME},
    "additionalProperties": False,
}


class UserIds(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request for many."""

    user_ids: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]],
        msgspec.Meta(min_length=1, max_length=MOST_USERS),
    ]


_USER_IDS_DOC = {
    "type": "object",
    "required": ["user_ids"],
    "properties": {
        "user_ids": {
            "type": "array",
            "items": TypeAdapter(Opaque).json_schema(),
            "minItems": 1,
            "maxItems": MOST_USERS,
        }
    },
    "additionalProperties": False,
}


def add_user_routes(app: FastAPI, desk: Desk) -> None:
    """Add the routes, over what stands behind them."""

    @app.get(
        "/v1/users/{user_id}/profile",
        summary="What a user is like",
        tags=["users"],
        openapi_extra=needs("read"),
        responses=rows_doc(PROFILES.model, _PROFILE) | errors(404),
    )
    async def profile(request: Request, user_id: UserId, fields: FieldNames = None) -> Response:
        chosen = chosen_fields(fields, _PROFILE, _PROFILE)
        answer = await desk.get(PROFILES, user_id)
        return _only(request, answer, chosen, "profile")

    @app.get(
        "/v1/users/{user_id}/session",
        summary="What a user is doing",
        description="The latest session of the last three days, where the streaming job runs with "
        "LIVE_FEATURES_ENABLED.",
        tags=["users"],
        openapi_extra=needs("read"),
        responses=rows_doc(LIVE_SESSIONS.model, _SESSION) | errors(404),
    )
    async def session(request: Request, user_id: UserId, fields: FieldNames = None) -> Response:
        chosen = chosen_fields(fields, _SESSION, _SESSION)
        answer = await desk.get(LIVE_SESSIONS, user_id)
        return _only(request, answer, chosen, "session")

    @app.get(
        "/v1/users/{user_id}/reorders",
        summary="What a user will most probably buy again",
        description="At most 50, the most probable first; `inputs` are given where `fields` names them.",
        tags=["users"],
        openapi_extra=needs("read"),
        responses=rows_doc(REORDERS.model, _REORDER, many=True) | errors(400),
    )
    async def reorders(
        request: Request,
        user_id: UserId,
        *,
        limit: Annotated[int, Query(ge=1, le=MOST_REORDERS)] = 10,
        cursor: Cursor = None,
        fields: FieldNames = None,
    ) -> Response:
        answer = desk.metrics.heard(REORDERS, await desk.features.reorders(user_id, MOST_REORDERS))
        every = answer.rows[0].__struct_fields__ if answer.rows else ServedReorder.__struct_fields__
        chosen = chosen_fields(fields, every, [name for name in every if name != "inputs"])
        scope = ("reorders", user_id, answer.version, answer.as_of)
        begin = position_in(cursor, scope, Place) or 0
        page = answer.rows[begin : begin + limit]
        end = begin + len(page)
        meta = meta_of(answer) | {"next_cursor": cursor_of(scope, end) if end < len(answer.rows) else None}
        return respond(request, [picked(row, chosen) for row in page], meta)

    @app.get(
        "/v1/users/{user_id}/recommendations",
        summary="What a user is shown now, and why",
        description="Decides, and keeps the decision under its decision_id. For an application key.",
        tags=["users"],
        openapi_extra=needs("application"),
        responses=rows_doc(Decision, _DECISION),
    )
    async def recommendations(
        request: Request,
        user_id: UserId,
        *,
        kind: DecisionKind = "next_basket",
        k: Annotated[int, Query(ge=1, le=100, description="How many products.")] = 10,
        cart: ProductIds = None,
    ) -> Response:
        now = desk.clock.now()
        decision = await desk.apart(partial(desk.recommender.recommend, user_id, kind, now, k=k, cart=cart))
        data = decision.model_dump(mode="json", exclude={"facts"})
        return respond(request, data, {"as_of": data["as_of"]})

    @app.get(
        "/v1/users/{user_id}/personas",
        summary="A user's personas over time",
        description="The latest first: since when, and until which date it was assigned.",
        tags=["users"],
        openapi_extra=needs("read"),
        responses=data_doc({"type": "array", "items": _SPELL_DOC}) | errors(400),
    )
    async def personas(
        request: Request,
        user_id: UserId,
        *,
        window_days: WindowDays = 180,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Cursor = None,
        fields: FieldNames = None,
    ) -> Response:
        chosen = chosen_fields(fields, SPELL_FIELDS, SPELL_FIELDS)
        scope = ("personas", user_id, window_days)
        before = position_in(cursor, scope, date) or desk.tomorrow
        spells = await desk.apart(
            partial(persona_spells, desk.client, desk.settings, user_id, window_days, Page(before, limit + 1))
        )
        more = cursor_of(scope, str(spells[limit - 1]["since"])) if len(spells) > limit else None
        meta: Json = {"source": "warehouse", "next_cursor": more}
        return respond(request, [picked(spell, chosen) for spell in spells[:limit]], meta)

    @app.post(
        "/v1/profiles",
        summary="Profiles of many users at once",
        description=f"At most {MOST_USERS}; {USERS_A_REQUEST} count as one request. Null where there is none.",
        responses=data_doc({"type": "object", "additionalProperties": _PROFILE_DOC}) | errors(400, 408, 413),
        tags=["users"],
        openapi_extra=needs(
            "read", requestBody={"required": True, "content": {"application/json": {"schema": _USER_IDS_DOC}}}
        ),
    )
    async def profiles(request: Request, fields: FieldNames = None) -> Response:
        chosen = chosen_fields(fields, _PROFILE, _PROFILE)
        user_ids = _user_ids(await sent_body(request, desk.api.body_bytes, desk.api.body_seconds))
        Visit.of(request).about = tuple(user_ids)
        desk.spend(request, len(user_ids) // USERS_A_REQUEST)
        answers = await desk.store.get_many(PROFILES, user_ids)
        for answer in answers.values():
            desk.metrics.heard(PROFILES, answer)
        data = {user: picked(answer.row, chosen) if answer.row else None for user, answer in answers.items()}
        sources = {user: meta_of(answer) for user, answer in answers.items()}
        return respond(request, data, {"answers": sources})


def _user_ids(body: bytes) -> list[str]:
    try:
        asked = msgspec.json.decode(body, type=UserIds)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # Its text names a place in the body, and no value of it.
        raise Refusal(422 if isinstance(error, msgspec.ValidationError) else 400, "invalid_body", str(error)) from None
    return list(dict.fromkeys(asked.user_ids))


def _only(request: Request, answer: Answer[Any], chosen: Any, what: str) -> Response:  # noqa: ANN401
    """The only row; not found where there is none, and null where nobody could say."""
    if answer.row is None and answer.source != "default":
        raise not_found(f"{what} of this user")
    return respond(request, None if answer.row is None else picked(answer.row, chosen), meta_of(answer))
