"""What every page of the console does: who looks, what is read, how it is shown, and what is asked for."""

import threading
from collections.abc import Mapping
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shopstream.schemas.http.answers import Refusal
from shopstream.schemas.http.body import sent_body
from shopstream.schemas.http.front_desk import Visit
from shopstream.schemas.lookup import ApiRole
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

from ..api.desk import Desk
from ..api.keys import ApiKey
from ..warehouse import AnyParameter, Parameter, Row, ask
from .figures import Figure, Figures, Read
from .render import SECURITY, page

HOME = "/console"
COOKIE = "shopstream_console"
SIGNED_IN_SECONDS = 12 * 3600
LOOK_SECONDS = 60.0
"""A page about a user that is asked for again within it is the same look-up."""
MOST_LOOKS = 10_000
"""So many are remembered before those that are over are forgotten."""
LATEST_SECONDS = 60.0
"""So long the latest day is known."""
_PAGES: tuple[tuple[str, str, ApiRole], ...] = (
    ("", "Health", "read"),
    ("/quality", "Data quality", "read"),
    ("/customers", "Customers", "read"),
    ("/search", "Search", "read"),
    ("/products", "Products", "read"),
    ("/experiments", "Experiments", "read"),
    ("/alerts", "Alerts", "read"),
    ("/cost", "Cost", "read"),
    ("/audit", "Audit", "admin"),
)


class Console:
    """The pages' way to keys, tables and templates."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.figures = Figures(desk.worker, desk.clock)
        self._looks: dict[tuple[str, str], float] = {}
        self._latest: tuple[date, float] | None = None
        self._latest_lock = threading.Lock()

    def enter(self, request: Request, role: ApiRole) -> None:
        """Let the request in by the key its cookie holds; what changes anything must come from a page of ours.

        Raises:
            Refusal: 401, 403 or 429.
        """
        if request.method not in ("GET", "HEAD"):
            refuse_foreign(request)
        key = self.desk.admit(request, request.cookies.get(COOKIE, ""), role)
        request.state.key = key
        self.note_look(request, key, Visit.of(request).about)

    def note_look(self, request: Request, key: ApiKey, users: tuple[str, ...]) -> None:
        """Have it kept whose data is shown: a page that asks again within a minute is still the same look."""
        now = self.desk.clock.monotonic()
        if len(self._looks) > MOST_LOOKS:
            self._looks = {look: at for look, at in self._looks.items() if now - at < LOOK_SECONDS}
        new = tuple(user for user in users if now - self._looks.get((key.name, user), float("-inf")) >= LOOK_SECONDS)
        self._looks |= {(key.name, user): now for user in new}
        Visit.of(request).about = new

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """A refusal as a page, or as the way to signing in."""
        Visit.of(request).code = refusal.code
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            had = "ended" if COOKIE in request.cookies else ""
            signing_in = redirect(f"{HOME}/sign-in?next={quote(_path_of(request), safe='')}&why={had}")
            signing_in.delete_cookie(COOKIE, path=HOME)
            return signing_in
        values = {"title": _TITLES.get(refusal.status, "This cannot be shown"), "refusal": refusal}
        response = self.show(request, "refused.html", values, status=refusal.status)
        response.headers.update(refusal.headers)
        return response

    def show(self, request: Request, template: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
        """A page with what every page has."""
        key: ApiKey | None = getattr(request.state, "key", None)
        figures = [value for value in values.values() if isinstance(value, Figure)]
        common = {
            "home": HOME,
            "key": key,
            "is_admin": key is not None and key.may("admin"),
            "pages": [(HOME + path, name) for path, name, role in _PAGES if key is not None and key.may(role)],
            "here": request.url.path,
            "is_pending": any(figure.state == "pending" for figure in figures),
            "trouble": next((figure for figure in figures if figure.state in ("stale", "failed")), None),
            "notice": NOTICES.get(request.query_params.get("notice", "")),
        }
        return page(request, template, common | dict(values), status)

    async def read(self, scope: object, reads: Mapping[str, Read]) -> dict[str, Figure]:
        """The figures of a page, as far as they are there in time."""
        return await self.figures.of(scope, reads)

    def ask(self, statement: str, *parameters: AnyParameter) -> list[Row]:
        """The rows of a statement, whose names in braces are datasets.

        Raises:
            Unavailable: BigQuery does not answer.
            SettingsError: A table is missing.
        """
        places = {dataset.name.lower(): dataset_id(self.desk.settings, dataset) for dataset in Dataset}
        return ask(self.desk.client, self.desk.settings, statement.format(**places), parameters)

    def latest_day(self) -> date:
        """The last day there were sessions on, which is today where anybody comes.

        Raises:
            Unavailable: BigQuery does not answer.
        """
        with self._latest_lock:  # The figures of a page ask for it at the same time.
            moment = self.desk.clock.monotonic()
            if self._latest is None or moment - self._latest[1] > LATEST_SECONDS:
                self._latest = self._read_latest_day(), moment
            return self._latest[0]

    def _read_latest_day(self) -> date:
        today = self.desk.clock.now().date()
        for oldest in (today - timedelta(days=28), date.min):
            (row,) = self.ask(_LATEST_DAY, Parameter("oldest", "DATE", oldest))
            if row["day"] is not None:
                found: date = row["day"]
                return found
        return today

    async def form(self, request: Request) -> dict[str, str]:
        """What a form sent.

        Raises:
            Refusal: 400, 408 or 413.
        """
        body = await sent_body(request, self.desk.api.body_bytes, self.desk.api.body_seconds)
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
        except ValueError:
            raise Refusal(400, "invalid_form", "the form cannot be read") from None


def refuse_foreign(request: Request) -> None:
    """Let through what a page of this server sent, as the browser says.

    Raises:
        Refusal: 403: A page of another site did, or nobody says.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        is_ours = site == "same-origin"
    else:
        origin = request.headers.get("Origin")
        is_ours = origin is not None and origin.partition("://")[2] == request.headers.get("Host")
    if not is_ours:
        raise Refusal(403, "foreign", "this was asked for by a page of another site")


def own_path(path: str) -> str:
    """Where to go on; nowhere but here."""
    is_own = path == HOME or path.startswith((f"{HOME}/", f"{HOME}?"))
    return path if is_own and "\\" not in path and path.isprintable() else HOME


def redirect(path: str) -> RedirectResponse:
    """The browser goes there, and asks with GET."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, SECURITY)


def _path_of(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.url.path}{query}" if request.method == "GET" else HOME


NOTICES = {
    "asked": "Asked for. The pipeline carries it out the next time it looks; what came of it is shown here.",
}
_TITLES = {403: "This key may not do that", 404: "There is nothing here", 429: "Too much at once"}
_LATEST_DAY = "SELECT MAX(day) AS day FROM sessions WHERE day >= @oldest"
