"""A route that knows who may ask, and reads what is asked in one step.

The framework resolves a route's parameters and dependencies anew for every request, in longer than the answer itself
takes. Here they are checked by one pydantic validator a route, made from the same signature as the document.
"""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, NotRequired, get_args, get_origin

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send
from typing_extensions import TypedDict

from shopstream.schemas.http.answers import Refusal
from shopstream.schemas.lookup import ApiRole

ROLE = "x-role"
"""The key in `openapi_extra` by which a route says what role it needs."""

Question = dict[str, Any]


def needs(role: ApiRole, **extra: object) -> dict[str, object]:
    """The `openapi_extra` of a route that needs this role."""
    return {ROLE: role, **extra}


Enter = Callable[[Request, ApiRole], None]
"""Lets a request in whose key has the role; raises Refusal."""
Refuse = Callable[[Request, Refusal], Response]
"""What a refusal is answered with."""


def route_class(enter: Enter, refuse: Refuse) -> type[APIRoute]:
    """Routes that let in whom `enter` lets in; those without a role are open to everybody."""

    class DeskRoute(APIRoute):
        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's own
            super().__init__(*arguments, **options)
            role: ApiRole | None = (self.openapi_extra or {}).get(ROLE)
            endpoint, read = self.endpoint, _reader(self.endpoint)

            async def answer(scope: Scope, receive: Receive, send: Send) -> None:
                request = Request(scope, receive, send)
                try:
                    if role is not None:
                        enter(request, role)
                    response = await endpoint(request, **read(request))
                except Refusal as refusal:
                    response = refuse(request, refusal)
                await response(scope, receive, send)

            self.app = answer

    return DeskRoute


def _reader(endpoint: Callable[..., Any]) -> Callable[[Request], Question]:
    """What takes an endpoint's parameters out of a request.

    Raises:
        Refusal: When called: 422: One is not what it must be.
    """
    parameters = list(signature(endpoint).parameters.values())[1:]
    defaults = {each.name: each.default for each in parameters if each.default is not Parameter.empty}
    lists = {each.name for each in parameters if _is_list(each.annotation)}
    asked_of: Any = {
        each.name: NotRequired[each.annotation] if each.name in defaults else each.annotation for each in parameters
    }
    question = TypeAdapter(TypedDict("Question", asked_of))  # type: ignore[operator]

    def read(request: Request) -> Question:
        asked: Question = request.path_params
        if request.scope["query_string"]:
            asked = dict(asked)
            given = request.query_params
            for name in given.keys() & defaults.keys():
                asked[name] = given.getlist(name) if name in lists else given[name]
        if not asked:
            return defaults
        try:
            found: Question = defaults | question.validate_python(asked)
        except ValidationError as error:
            raise _invalid(error) from None
        return found

    return read


def _is_list(annotation: Any) -> bool:  # noqa: ANN401 - types have no type in common
    return get_origin(annotation) is list or any(_is_list(each) for each in get_args(annotation))


def _invalid(error: ValidationError) -> Refusal:
    wrong: list[object] = [
        {"parameter": ".".join(str(part) for part in each["loc"]), "message": each["msg"]}
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return Refusal(422, "invalid_parameter", "a parameter is not what it must be", details={"wrong": wrong})
