"""Who looked up whom, and who asked for what: shown to administrators, and exported."""

import csv
from datetime import timedelta
from functools import partial
from io import StringIO

from fastapi import Request, Response

from ..api.answers import packed
from ..audit import Entry, entries
from .console import Console
from .render import SECURITY

DAYS = 30
MOST_SHOWN, MOST_EXPORTED = 200, 100_000


class Audit:
    """The pages for administrators."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def audit(self, request: Request, user_id: str = "") -> Response:
        """The latest entries, of one user or of all."""
        figures = await self._console.read(("audit", user_id), {"entries": partial(self._entries, user_id, MOST_SHOWN)})
        values = {"title": "Audit", "user_id": user_id, "days": DAYS, "most": MOST_SHOWN, **figures}
        return self._console.show(request, "audit.html", values)

    async def export(self, request: Request, user_id: str = "") -> Response:
        """The same as a file for a spreadsheet."""
        found = await self._console.desk.apart(partial(self._entries, user_id, MOST_EXPORTED))
        text = StringIO()
        writer = csv.writer(text)
        writer.writerow(Entry.model_fields)
        for entry in found:
            writer.writerow([_cell(value) for value in entry.model_dump(mode="json").values()])
        headers = SECURITY | {"Content-Disposition": 'attachment; filename="audit.csv"'}
        return packed(request, text.getvalue().encode(), "text/csv; charset=utf-8", headers)

    def _entries(self, user_id: str, most: int) -> list[Entry]:
        desk = self._console.desk
        since = desk.clock.now() - timedelta(days=DAYS)
        return entries(desk.client, desk.settings, since, user_id=user_id or None, most=most)


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
