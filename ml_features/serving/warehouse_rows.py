"""The same views where there is no Redis, or it does not know: from their tables, a statement for some keys."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any, NamedTuple

from google.cloud import bigquery

from shopstream.schemas import SettingsError, Unavailable
from shopstream.schemas.serving.views import EVERYTHING, View

from ..clock import Clock
from ..settings import FeatureSettings
from ..warehouse import AnyParameter, Parameter, Refused, Row, rows_of
from .lookup import FromWarehouse, Rows, TakeIn

WORKERS = 4
MOST_WAITING = 1000
"""So many callers of a view wait for a thread; one more is told at once that there is no answer."""
RECENT = timedelta(days=8)
DATE_AGE = timedelta(minutes=1)
"""So long the latest date of a table is known."""


class _Asked(NamedTuple):
    """What one caller wants."""

    keys: Sequence[str]
    take_in: TakeIn
    future: "Future[Any]"


class WarehouseRows:
    """Runs statements in threads of its own, so that a caller can go on without one that takes too long.

    Callers of the same view that find every thread at work wait together, and are answered by one statement.
    """

    def __init__(self, client: bigquery.Client, settings: FeatureSettings, clock: Clock) -> None:
        self._client, self._settings, self._clock = client, settings, clock
        self._executor = ThreadPoolExecutor(WORKERS, "shopstream-warehouse")
        self._lock = threading.Lock()
        self._waiting: dict[str, list[_Asked]] = {}
        self._dates: dict[str, tuple[date | None, float]] = {}

    def begin(self, view: View, keys: Sequence[str], take_in: TakeIn) -> "Future[Any]":
        """What `take_in` makes of the rows, once they are there.

        Raises:
            Unavailable: Too many wait already.
        """
        asked = _Asked(keys, take_in, Future())
        with self._lock:
            waiting = self._waiting.setdefault(view.name, [])
            if len(waiting) >= MOST_WAITING:
                raise Unavailable(f"{MOST_WAITING} requests wait for the warehouse")
            waiting.append(asked)
            alone = len(waiting) == 1
        if alone:
            self._executor.submit(self._run, view)
        return asked.future

    def close(self) -> None:
        """Let what runs end by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _run(self, view: View) -> None:
        with self._lock:
            together = self._waiting.pop(view.name)
        keys = list(dict.fromkeys(key for asked in together for key in asked.keys))
        try:
            found = self._read(view, keys)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            for asked in together:
                asked.future.set_exception(error)
            return
        for asked in together:
            rows = {key: found.rows[key] for key in asked.keys if key in found.rows}
            asked.future.set_result(asked.take_in(view, asked.keys, FromWarehouse(found.as_of, rows)))

    def _read(self, view: View, keys: Sequence[str]) -> FromWarehouse:
        try:
            as_of = self._latest(view) if view.dated else None
            found = {} if view.dated and as_of is None else self._rows(view, keys, as_of)
        except (SettingsError, Refused) as error:
            raise Unavailable(str(error)) from error
        return FromWarehouse(as_of, found)

    def _latest(self, view: View) -> date | None:
        moment = self._clock.monotonic()
        known = self._dates.get(view.table.name)
        if known is not None and moment < known[1] + DATE_AGE.total_seconds():
            return known[0]
        latest: date | None = None
        statement = f"SELECT MAX(as_of) AS as_of FROM `{view.table.name}` WHERE as_of >= @oldest"  # noqa: S608
        # A few partitions are read first, for it is in them unless nobody has run the jobs for a week.
        for oldest in (self._clock.now().date() - RECENT, date.min):
            (row,) = self._ask(statement, [Parameter("oldest", "DATE", oldest)])
            if (latest := row["as_of"]) is not None:
                break
        self._dates[view.table.name] = latest, moment
        return latest

    def _rows(self, view: View, keys: Sequence[str], as_of: date | None) -> dict[str, Rows]:
        rows = self._ask(_statement(view), self._parameters(view, keys, as_of))
        found: dict[str, list[Any]] = {}
        for row in rows:
            key = EVERYTHING if view.key is None else row[view.key]
            found.setdefault(key, []).append(view.served(view.model.model_validate(_frozen(view, row))))
        return {key: tuple(items[: view.most]) for key, items in found.items()}

    def _parameters(self, view: View, keys: Sequence[str], as_of: date | None) -> list[AnyParameter]:
        parameters: list[AnyParameter] = []
        if view.live:
            oldest = self._clock.now() - timedelta(seconds=view.seconds)
            parameters.append(Parameter("oldest", "TIMESTAMP", oldest))
        if as_of is not None:
            parameters.append(Parameter("as_of", "DATE", as_of))
        if view.key is not None:
            parameters.append(bigquery.ArrayQueryParameter("keys", "STRING", list(keys)))
        if view.purpose is not None:
            parameters.append(Parameter("allowed_otherwise", "BOOL", self._settings.allowed_otherwise))
        return parameters

    def _ask(self, statement: str, parameters: Sequence[AnyParameter]) -> list[Row]:
        """Once: who waits is gone before a second attempt, and the next caller is one."""
        return [dict(row.items()) for row in rows_of(self._client, self._settings, statement, parameters)]


def served_source(view: View) -> str:
    """The view's table under the name `given`, with what its users have decided where they are asked."""
    source = f"`{view.table.name}` AS given"
    if view.purpose is None:
        return source
    decided = f"given.user_id = consent_states.user_id AND consent_states.purpose = '{view.purpose}'"
    return f"{source} LEFT JOIN consent_states ON {decided}"


def served_conditions(view: View) -> list[str]:
    """Which rows of it may be served; @allowed_otherwise counts for a user who decided nothing."""
    allowed = [] if view.purpose is None else ["IFNULL(consent_states.granted, @allowed_otherwise)"]
    return allowed + ([f"given.`rank` <= {view.most}"] if "rank" in view.order_by else [])


def _statement(view: View) -> str:
    conditions = served_conditions(view)
    if view.live:
        conditions.append("given.computed_at >= @oldest")
    elif view.dated:
        conditions.append("given.as_of = @as_of")
    if view.key is not None:
        conditions.append(f"given.{view.key} IN UNNEST(@keys)")
    columns = ", ".join(f"given.`{column}`" for column in view.model.model_fields)
    order = "".join(f", given.`{column}`{' DESC' if view.live else ''}" for column in view.order_by)
    return (
        f"SELECT {columns} FROM {served_source(view)} "  # noqa: S608 - our own names
        f"WHERE {' AND '.join(conditions)} ORDER BY given.{view.key or 'as_of'}{order}"
    )


def _frozen(view: View, row: Row) -> Row:
    """As models take it: tuples, and the emulator gives a null for an empty array."""
    repeated = (name for name, field in view.model.model_fields.items() if field.default == ())
    return row | {name: tuple(row[name] or ()) for name in repeated}
