"""The console's routes."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import FastAPI, Request, Response

from shopstream.schemas.http.answers import Refusal
from shopstream.schemas.lookup import ApiRole

from ..api.answers import packed
from ..api.desk import Desk
from ..api.route import needs, route_class
from .audit import Audit
from .console import HOME, Console
from .customers import Customers
from .health import Health
from .instructions import Instructions
from .products import Products
from .render import STATICS
from .search import Search
from .sign_in import SignIn

Endpoint = Callable[..., Awaitable[Response]]
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "txt": "text/plain; charset=utf-8"}
_YEAR_SECONDS = 365 * 86_400


def add_console(app: FastAPI, desk: Desk) -> None:
    """Add the pages, over what stands behind the API."""
    console = Console(desk)
    health, customers, search = Health(console), Customers(console), Search(console)
    products, audit, instructions, sign_in = Products(console), Audit(console), Instructions(console), SignIn(console)
    kind = route_class(console.enter, console.refuse)
    routes: Sequence[tuple[str, str, Endpoint, ApiRole | None]] = (
        ("GET", "", health.health, "read"),
        ("GET", "/quality", health.quality, "read"),
        ("GET", "/alerts", health.alerts, "read"),
        ("GET", "/cost", health.cost, "read"),
        ("GET", "/customers", customers.find, "read"),
        ("GET", "/customers/{user_id}", customers.customer, "read"),
        ("GET", "/decisions/{decision_id}", customers.decision, "read"),
        ("GET", "/search", search.search, "read"),
        ("GET", "/experiments", search.experiments, "read"),
        ("GET", "/products", products.find, "read"),
        ("GET", "/products/{product_id}", products.product, "read"),
        ("GET", "/audit", audit.audit, "admin"),
        ("GET", "/audit.csv", audit.export, "admin"),
        ("POST", "/instructions", instructions.ask_for, "admin"),
        ("GET", "/sign-in", sign_in.form, None),
        ("POST", "/sign-in", sign_in.enter, None),
        ("POST", "/sign-out", sign_in.leave, None),
        ("GET", "/static/{name}", _static, None),
    )
    for method, path, endpoint, role in routes:
        extra = None if role is None else needs(role)
        route = kind(HOME + path, endpoint, methods=[method], include_in_schema=False, openapi_extra=extra)
        app.router.routes.append(route)


async def _static(request: Request, name: str) -> Response:
    """A style or a script, which browsers may keep."""
    if (body := STATICS.get(name)) is None:
        raise Refusal(404, "not_found", "there is no such file")
    headers = {"Cache-Control": f"public, max-age={_YEAR_SECONDS}, immutable", "X-Content-Type-Options": "nosniff"}
    return packed(request, body, _TYPES[name.rpartition(".")[2]], headers)
