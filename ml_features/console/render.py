"""Pages as HTML: every value is escaped by the template engine, and no page loads anything from elsewhere."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from ..api.answers import packed

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
NO_VALUE = "\N{EN DASH}"


def number(value: float | Decimal | None, digits: int = 0) -> str:
    """With thousands apart; an en dash for what is not known."""
    return NO_VALUE if value is None else f"{value:,.{digits}f}"


def percent(value: float | Decimal | None, digits: int = 0) -> str:
    """A share of 1 as percent."""
    return NO_VALUE if value is None else f"{100 * float(value):.{digits}f} %"


def moment(value: datetime | date | None) -> str:
    """A time in UTC to the second, or a day."""
    if value is None:
        return NO_VALUE
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value.isoformat()


def words(value: object) -> str:
    """A name with underscores as words."""
    return NO_VALUE if value is None else str(value).replace("_", " ")


def in_path(value: object) -> str:
    """A value as one part of a path."""
    return quote(str(value), safe="")


STATICS: Mapping[str, bytes] = {
    file.name: file.read_bytes() for file in (files("shopstream.ml_features.console") / "static").iterdir()
}
"""The styles and scripts."""
_STATICS_TAG = hashlib.blake2b(b"".join(STATICS[name] for name in sorted(STATICS)), digest_size=8).hexdigest()
"""Stands behind their addresses: browsers keep them for long, and ask for new ones at once."""


_environment = Environment(
    loader=PackageLoader("shopstream.ml_features.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "number": number,
    "percent": percent,
    "moment": moment,
    "words": words,
    "in_path": in_path,
}
_environment.globals["statics"] = _STATICS_TAG


def page(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """A page; its headers let it load only what this server gives."""
    body = _environment.get_template(template).render(values).encode()
    return packed(request, body, "text/html; charset=utf-8", SECURITY, status)
