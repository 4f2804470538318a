"""Between two nightly jobs: what a session is like so far, and what a user who just ordered will buy again.

It looks at events that are stored already and holds none of them up: where it cannot write, it says so and goes on, and
the nightly job makes good for it. Imported history and tests are nobody's session and are left out.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.metrics import Metrics
from apache_beam.typehints.decorators import no_annotations
from google.cloud import bigquery

from shopstream.schemas import Unavailable
from shopstream.schemas.features import ProductRhythm, ReorderInputs
from shopstream.schemas.live.live_reorders import MOST_LIVE_REORDERS, LiveReorders
from shopstream.schemas.live.live_session import LiveSession
from shopstream.schemas.live.purchase_lines import LOOK_BACK, PurchaseLine
from shopstream.schemas.live.reorders import HORIZON_DAYS, INTERCEPT, SOON_DAYS, Rhythms, Weights, reorders
from shopstream.schemas.serving import views
from shopstream.schemas.serving.views import View
from shopstream.schemas.table import Dataset, Purpose
from shopstream.schemas.warehouse import LIVE_REORDERS, LIVE_SESSIONS, WarehouseTable, dataset_id

from .arrival import Row
from .batches import Batch
from .cached import Cached
from .clock import Clock
from .counters import NAMESPACE, Counter
from .options import PipelineSettings
from .retry import retrying
from .serve_live import ConsentDecision, LiveServing
from .warehouse import ask, connect, insert_rows, timestamp

logger = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
MODEL_AGE = timedelta(minutes=10)
"""Weights and rhythms change once a night."""
CONSENT_AGE = timedelta(minutes=1)
USERS_A_QUERY = 500
_FRESH = timedelta(days=8)
"""Orders of so many days are read as events, in case the job that keeps purchases is behind."""
_JUST_AFTER = timedelta(microseconds=1)


class LiveFeatures(beam.PTransform):
    """Batches of stored rows become rows of live_sessions and live_reorders."""

    def __init__(self, settings: PipelineSettings, now: Clock) -> None:
        super().__init__()
        self._settings, self._now = settings, now

    @no_annotations
    def expand(self, stored: beam.PCollection[list[Row]]) -> beam.PCollection[list[bytes]]:
        """Compute and write."""
        live = beam.ParDo(WriteLive(self._settings, self._now)).with_output_types(Batch)
        return stored | "WriteLive" >> live


class WriteLive(beam.DoFn):
    """What a bundle's rows changed, one row a session and a user, when the bundle ends."""

    def __init__(self, settings: PipelineSettings, now: Clock) -> None:
        self._settings, self._now = settings, now
        self._written = Metrics.counter(NAMESPACE, Counter.LIVE_ROWS_STORED)
        self._dropped = Metrics.counter(NAMESPACE, Counter.LIVE_ROWS_DROPPED)
        self._served = Metrics.counter(NAMESPACE, Counter.LIVE_ROWS_SERVED)
        self._unserved = Metrics.counter(NAMESPACE, Counter.LIVE_ROWS_UNSERVED)

    def setup(self) -> None:
        """One client a worker thread."""
        self._client = connect(self._settings)
        self._model = Cached(partial(read_model, self._client, self._settings), MODEL_AGE)
        self._exceptions = Cached(partial(_read_consent, self._client, self._settings), CONSENT_AGE)
        self._serving = LiveServing(self._settings, self._now) if self._settings.redis_enabled else None

    def teardown(self) -> None:
        """Give the connections back."""
        self._client.close()
        if self._serving is not None:
            self._serving.close()

    def start_bundle(self) -> None:
        """Nothing waits over from another bundle."""
        self._sessions: dict[str, LiveSession] = {}
        self._ordered: set[str] = set()
        self._decided: list[ConsentDecision] = []

    @no_annotations
    def process(self, batch: Sequence[Row]) -> None:
        """Remember the latest row of each session, who ordered, and who decided about consent."""
        for row in batch:
            if row.session is not None:
                known = self._sessions.get(row.session.session_id)
                if known is None or row.session.events >= known.events:
                    self._sessions[row.session.session_id] = row.session
            if row.event_type == "consent" and self._serving is not None:
                decision = _read_decision(row.document)
                if decision.traffic is None:
                    self._decided.append(decision)
            if row.event_type == "order" and self._settings.live_features_enabled:
                order = _read_order(row.document)
                if order.user_id is not None and order.traffic is None and not order.imported:
                    self._ordered.add(order.user_id)

    def finish_bundle(self) -> None:
        """Compute and write."""
        if self._serving is not None:
            self._serving.decide(self._decided)
        for waiting, write in ((self._sessions, self._write_sessions), (self._ordered, self._write_reorders)):
            if waiting:
                try:
                    write()
                except Unavailable as error:
                    self._drop(len(waiting), str(error))

    def _write_sessions(self) -> None:
        rows = {
            f"{each.session_id}/{each.events}": each
            for each in self._sessions.values()
            if each.user_id is None or self._allows(each.user_id, "analytics")
        }
        self._write(LIVE_SESSIONS, views.LIVE_SESSIONS, rows)

    def _write_reorders(self) -> None:
        users = [user for user in sorted(self._ordered) if self._allows(user, "personalization")]
        model = self._model.value(self._now())
        if model is None:
            self._drop(len(users), "there are no weights for all inputs: run shopstream-features")
            return
        rhythms, weights = model
        for start in range(0, len(users), USERS_A_QUERY):
            some = users[start : start + USERS_A_QUERY]
            lines = read_lines(self._client, self._settings, some, self._now())
            rows: dict[str, LiveReorders] = {}
            for user, theirs in lines.items():
                found = live_reorders(user, theirs, rhythms, weights, self._now())
                rows[f"{user}/{found.ordered_at.isoformat()}/{len(theirs)}"] = found
            self._write(LIVE_REORDERS, views.LIVE_REORDERS, rows)

    def _write(self, table: WarehouseTable, view: View, rows: Mapping[str, LiveSession | LiveReorders]) -> None:
        if not rows:
            return
        if self._serving is not None:
            served = self._serving.write(view, list(rows.values()))
            (self._served if served else self._unserved).inc(len(rows))
        place = f"{dataset_id(self._settings, table.table.dataset)}.{table.table.name}"
        documents = [row.model_dump_json().encode() for row in rows.values()]
        errors = retrying(RETRY_SECONDS)(insert_rows, self._client, place, documents, list(rows))
        self._written.inc(len(rows) - len(errors))
        if errors:
            self._drop(len(errors), f"{place} refused: {errors[0].detail}")

    def _allows(self, user_id: str, purpose: Purpose) -> bool:
        return self._settings.allowed_otherwise != ((user_id, purpose) in self._exceptions.value(self._now()))

    def _drop(self, count: int, why: str) -> None:
        self._dropped.inc(count)
        logger.warning("live features were not written", extra={"rows": count, "why": why})


def live_reorders(
    user_id: str, lines: Sequence[PurchaseLine], rhythms: Rhythms, weights: Weights, now: datetime
) -> LiveReorders:
    """The row of a user, as of just after the latest line."""
    latest = max(line.ordered_at for line in lines)
    found = reorders(user_id, lines, latest + _JUST_AFTER, rhythms, weights, most=MOST_LIVE_REORDERS)
    return LiveReorders(computed_at=now, user_id=user_id, ordered_at=latest, reorders=tuple(found))


def read_model(client: bigquery.Client, settings: PipelineSettings) -> tuple[Rhythms, Weights] | None:
    """The rhythms and weights of the latest date; None where there are no weights for all inputs.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    place = dataset_id(settings, Dataset.FEATURES)
    statement = (
        f"SELECT horizon_days, feature, weight FROM `{place}.reorder_weights` "  # noqa: S608 - our own names
        f"WHERE as_of = (SELECT MAX(as_of) FROM `{place}.reorder_weights`)"
    )
    weights = weights_of(ask(client, statement, "reorder_weights"))
    if weights is None:
        return None
    statement = (
        f"SELECT * FROM `{place}.product_rhythms` "  # noqa: S608 - our own names
        f"WHERE as_of = (SELECT MAX(as_of) FROM `{place}.product_rhythms`)"
    )
    rows = ask(client, statement, "product_rhythms")
    return Rhythms({row["product_id"]: ProductRhythm.model_validate(row) for row in rows}), weights


def weights_of(rows: Iterable[Mapping[str, Any]]) -> Weights | None:
    """The weights by horizon; None where one is missing, as before the first nightly job, or after a new input came."""
    weights: dict[int, dict[str, float]] = {}
    for row in rows:
        weights.setdefault(row["horizon_days"] or HORIZON_DAYS, {})[row["feature"]] = row["weight"]
    needed = {INTERCEPT, *ReorderInputs.model_fields}
    complete = all(needed <= weights.get(horizon, {}).keys() for horizon in (SOON_DAYS, HORIZON_DAYS))
    return weights if complete else None


def read_lines(
    client: bigquery.Client, settings: PipelineSettings, users: Sequence[str], now: datetime
) -> dict[str, list[PurchaseLine]]:
    """The order lines of these users: those kept as purchases, and those of orders too young to be kept yet.

    A line that is both is given twice; it counts once.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    statement = f"""
SELECT user_id, product_id, category, order_id, status, ordered_at, quantity
FROM `{dataset_id(settings, Dataset.FEATURES)}.purchases`
WHERE user_id IN UNNEST(@users) AND received_on >= DATE(@first)
UNION ALL
SELECT orders.user_id, item.product_id, item.category, orders.order_id, orders.status, orders.occurred_at, item.quantity
FROM `{dataset_id(settings, Dataset.VIEWS)}.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
WHERE orders.user_id IN UNNEST(@users) AND orders.received_at >= @fresh AND orders.traffic IS NULL"""  # noqa: S608
    given = [
        bigquery.ArrayQueryParameter("users", "STRING", users),
        timestamp("first", now - LOOK_BACK),
        timestamp("fresh", now - _FRESH),
    ]
    found: dict[str, list[PurchaseLine]] = {}
    for row in ask(client, statement, "purchases", given):
        line = PurchaseLine(
            product_id=row["product_id"],
            category=row["category"],
            order_id=row["order_id"],
            status=row["status"],
            ordered_at=row["ordered_at"],
            quantity=float(row["quantity"]),
        )
        found.setdefault(row["user_id"], []).append(line)
    return found


def _read_consent(client: bigquery.Client, settings: PipelineSettings) -> frozenset[tuple[str, str]]:
    """Users and purposes of which the opposite was decided of what counts otherwise."""
    place = f"{dataset_id(settings, Dataset.VIEWS)}.consent_states"
    decided = "NOT granted" if settings.allowed_otherwise else "granted"
    rows = ask(client, f"SELECT user_id, purpose FROM `{place}` WHERE {decided}", place)  # noqa: S608 - our own words
    return frozenset((row["user_id"], row["purpose"]) for row in rows)


class _Order(msgspec.Struct):
    """What has to be known of an order's row."""

    user_id: str | None = None
    traffic: str | None = None
    imported: bool = False


_read_order = msgspec.json.Decoder(_Order).decode
_read_decision = msgspec.json.Decoder(ConsentDecision).decode
