"""The demo's last steps: the feature jobs, three customers, and how well their last baskets were foreseen."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from google.cloud import bigquery

from shopstream.ml_features.catalog import catalog, feature_table
from shopstream.ml_features.decisions.recommender import Recommender, keep_decision
from shopstream.ml_features.job import run
from shopstream.ml_features.models.evaluate import Comparison, by_frequency, compare, recalls
from shopstream.ml_features.parameters import last_window_end
from shopstream.ml_features.reader import Features
from shopstream.ml_features.serving.answer import Predicted, Source, answered
from shopstream.ml_features.serving.publish import publish_views
from shopstream.ml_features.serving.store import FeatureStore, patient_store
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import Parameter, ask
from shopstream.pipeline.cost import Prices, estimate, keep_estimate, measure
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.quality import check_quality
from shopstream.schemas.decision import Decision
from shopstream.schemas.live.reorders import HORIZON_DAYS
from shopstream.schemas.serving.served import ServedProfile
from shopstream.schemas.serving.views import NIGHTLY

from .complete_journey import Basket
from .simulation import user_id

_K = 10
_COST_DAYS = 7
_REORDERS_SHOWN = 3
_RECOMMENDED = 8
_BY_ARRIVAL = ("consent_record", "purchases")
"""Filled for the days events arrived; the other tables for the days they describe."""

_ARRIVED = "SELECT MIN(DATE(received_at)) AS first_day, MAX(DATE(received_at)) AS last_day FROM orders"
_LATEST = "SELECT MAX(DATE(known_at)) AS day FROM purchases"
# The best customers have the most to show; a tie goes to the smaller user_id.
_CUSTOMERS = "SELECT user_id FROM profiles WHERE as_of = @as_of AND orders > 0 ORDER BY orders DESC, user_id LIMIT 3"
_NAMES = "SELECT product_id, name FROM products"
_RANKED = "SELECT user_id, product_id FROM reorders WHERE as_of = @as_of AND `rank` <= 10 ORDER BY user_id, `rank`"
_HISTORY = "SELECT user_id, product_id, purchases, last_purchased_at FROM reorders WHERE as_of = @as_of"


@dataclass(frozen=True)
class Customer:
    """What the reader says of one user."""

    user_id: str
    profile: ServedProfile
    source: Source
    """Where the reader had it from."""
    reorders: tuple[Predicted, ...]
    next_basket: Decision
    product_names: Mapping[str, str]
    """Names of those products that the catalogue knows."""


def make_features(
    client: bigquery.Client, settings: FeatureSettings, now: datetime, show: Callable[[str], None]
) -> date | None:
    """Run every feature job for the last day anything was bought; that day, or None when nothing was.

    Published as well, where there is a Redis.
    """
    (arrived,) = ask(client, settings, _ARRIVED)
    if arrived["last_day"] is None:
        return None

    def compute(name: str, as_of: date, first_day: date | None = None) -> None:
        show(f"{name} as of {as_of}")
        run(client, settings, feature_table(name), as_of, now, first_day=first_day)

    for name in _BY_ARRIVAL:
        compute(name, arrived["last_day"], arrived["first_day"])
    as_of: date | None = ask(client, settings, _LATEST)[0]["day"]
    if as_of is not None:
        # The weights are fitted on what was said HORIZON_DAYS before and what was bought since, so that comes first.
        earlier = as_of - timedelta(days=HORIZON_DAYS)
        window_end = last_window_end(as_of, settings.aggregates_window_days)
        window_start = window_end - timedelta(days=settings.aggregates_window_days - 1)
        compute("reorder_weights", earlier)
        compute("reorders", earlier)
        for name, table in catalog().items():
            if name not in _BY_ARRIVAL:
                compute(name, window_end if table.place.published_once else as_of, window_start)
        if settings.redis_enabled:
            for done in publish_views(client, settings, NIGHTLY, as_of, lambda: now):
                show(f"{done.view} to Redis")
    return as_of


def look_after(client: bigquery.Client, settings: PipelineSettings, now: datetime) -> None:
    """What an operator's hourly and daily commands do: look at the rules of good data, and keep what a month costs."""
    check_quality(client, settings, (), now)
    volumes, users = measure(client, settings, now, _COST_DAYS)
    keep_estimate(client, settings, estimate(volumes, users, settings, _COST_DAYS, Prices()), now)


def best_customers(client: bigquery.Client, settings: FeatureSettings, as_of: date, now: datetime) -> list[Customer]:
    """The three with most orders, as the reader serves them, and what they are shown."""
    with patient_store(client, settings) as store:
        return _best_customers(client, settings, store, as_of, now)


def _best_customers(
    client: bigquery.Client, settings: FeatureSettings, store: FeatureStore, as_of: date, now: datetime
) -> list[Customer]:
    reader = Features(store, settings)
    recommender = Recommender(store, settings, partial(keep_decision, client, settings))
    names = {row["product_id"]: row["name"] for row in ask(client, settings, _NAMES)}
    found = []
    for row in ask(client, settings, _CUSTOMERS, [Parameter("as_of", "DATE", as_of)]):
        answer = answered(reader.profile(row["user_id"]))
        if answer.row is not None:
            reorders = answered(reader.reorders(row["user_id"], _REORDERS_SHOWN)).rows
            decision = recommender.recommend(row["user_id"], "next_basket", now, k=_RECOMMENDED)
            shown = {each.product_id for each in (*reorders, *decision.items)}
            shown_names = {product_id: name for product_id, name in names.items() if product_id in shown}
            found.append(Customer(row["user_id"], answer.row, answer.source, reorders, decision, shown_names))
    return found


def recall_at_10(
    client: bigquery.Client, settings: FeatureSettings, as_of: date, held_back: Mapping[str, Basket]
) -> Comparison:
    """How much of the households' last baskets the reorder lists foresaw, beside plain purchase frequency."""
    bought = {user_id(basket): {line.product_id for line in basket.lines} for basket in held_back.values()}
    ranked: defaultdict[str, list[str]] = defaultdict(list)
    for row in ask(client, settings, _RANKED, [Parameter("as_of", "DATE", as_of)]):
        ranked[row["user_id"]].append(row["product_id"])
    history: defaultdict[str, dict[str, tuple[int, datetime]]] = defaultdict(dict)
    for row in ask(client, settings, _HISTORY, [Parameter("as_of", "DATE", as_of)]):
        history[row["user_id"]][row["product_id"]] = (row["purchases"], row["last_purchased_at"])
    return compare(recalls(ranked, bought, _K), recalls(by_frequency(history), bought, _K))
