"""Lists of products for one user: facts from the warehouse, decided, and kept so that they can be decided again."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property

from google.cloud import bigquery

from shopstream.schemas import Unavailable
from shopstream.schemas.decision import DecidedItem, Decision, DecisionKind
from shopstream.schemas.features import ModelReorder, PersonaName, Reorder
from shopstream.schemas.live.reorders import HORIZON_DAYS
from shopstream.schemas.warehouse import DECISIONS, dataset_id

from ..consent import allows, consent_of
from ..reader import Features, ServedReorders
from ..settings import FeatureSettings
from ..warehouse import AnyParameter, Parameter, Refused, Row, ask, insert_rows
from .decide import decide
from .facts import Bought, Facts, GoesWith, New, Popular
from .trace import decision_of

logger = logging.getLogger(__name__)

CONSIDERED_FOR_EACH, CONSIDERED_AT_LEAST = 3, 20
"""So many products of each kind are looked at for each place of a list, and so many at least: rules leave some out."""

_PERSONA = """
SELECT persona FROM personas
WHERE user_id = @user_id AND window_days = 180 AND as_of = (SELECT MAX(as_of) FROM personas)
"""
_WEIGHTS = """
SELECT as_of, feature, weight FROM reorder_weights
WHERE
  as_of = (SELECT MAX(as_of) FROM reorder_weights WHERE as_of <= @as_of)
  AND IFNULL(horizon_days, @horizon_days) = @horizon_days
"""
_EXPLORATIONS = """
SELECT * FROM explorations
WHERE user_id = @user_id AND as_of = (SELECT MAX(as_of) FROM explorations)
ORDER BY `rank`
"""
_POPULAR = """
SELECT product_id, category, share, buyers FROM product_popularity
WHERE as_of = (SELECT MAX(as_of) FROM product_popularity) AND `rank` <= @most
ORDER BY `rank`
"""
_GOES_WITH = """
SELECT product_id, other_product_id, orders, order_affinity + buyer_affinity AS affinity FROM product_affinities
WHERE as_of = (SELECT MAX(as_of) FROM product_affinities) AND product_id IN UNNEST(@product_ids) AND orders > 0
"""
_SHELF = """
SELECT product_id, name, category, available FROM product_popularity
WHERE as_of = (SELECT MAX(as_of) FROM product_popularity) AND product_id IN UNNEST(@product_ids)
"""
_DECISION = "SELECT * FROM decisions WHERE decision_id = @decision_id LIMIT 1"


class Recommender:
    """Decides what a user is shown.

    Raises:
        SettingsError: REDIS_ENABLED is true, which is not there yet; or, when deciding, a table is missing.
        Unavailable: When deciding: BigQuery does not answer.
    """

    def __init__(self, client: bigquery.Client, settings: FeatureSettings) -> None:
        self._client, self._settings = client, settings
        self._features = Features(client, settings)

    def recommend(
        self,
        user_id: str,
        kind: DecisionKind,
        now: datetime,
        *,
        k: int = 10,
        cart: Sequence[str] | None = None,
    ) -> Decision:
        """A list of up to k products (1 to 100).

        Args:
            user_id: For whom; somebody unknown is shown what sells.
            kind: What list.
            now: When it is decided.
            k: How many products.
            cart: What is in the cart; None for what the user's live session says, where live features are kept.

        Raises:
            ValueError: k is out of range.
        """
        facts = self._facts(user_id, kind, k, cart)
        decision = decision_of(facts, decide(facts), user_id, now)
        if self._settings.decisions_kept:
            self._keep(decision)
        return decision

    def decision(self, decision_id: str) -> Decision | None:
        """A decision that was kept; None where there is none, or no more."""
        rows = self._ask(_DECISION, [Parameter("decision_id", "STRING", decision_id)])
        if not rows:
            return None
        row = rows[0]
        items = tuple(DecidedItem.model_validate(item) for item in row["items"] or ())
        return Decision.model_validate({**row, "items": items, "rules": tuple(row["rules"] or ())})

    def _facts(self, user_id: str, kind: DecisionKind, k: int, cart: Sequence[str] | None) -> Facts:
        consent = consent_of(self._client, self._settings, user_id, "personalization")
        allowed = allows(self._settings, consent)
        popular = self._ask(_POPULAR, [Parameter("most", "INT64", _considered(k))])
        facts = Facts(
            kind=kind,
            k=k,
            consent=consent,
            allowed=allowed,
            popular=tuple(Popular.model_validate(row) for row in popular),
        )
        return self._with_the_users_own(facts, user_id, cart) if allowed else facts

    def _with_the_users_own(self, facts: Facts, user_id: str, cart: Sequence[str] | None) -> Facts:
        if cart is None:
            session = self._features.session(user_id)
            cart = () if session is None else [line.product_id for line in session.cart]
        if facts.kind == "goes_with_cart":
            pairs = self._ask(_GOES_WITH, [_products(cart)]) if cart else []
            shelf = self._shelf([*cart, *(row["other_product_id"] for row in pairs)])
            goes_with = [
                GoesWith(
                    product_id=row["other_product_id"],
                    category=shelf.category(row["other_product_id"]),
                    affinity=row["affinity"],
                    in_cart=shelf.name(row["product_id"]),
                    orders=row["orders"],
                )
                for row in pairs
            ]
            return facts.model_copy(
                update={"cart": tuple(cart), "goes_with": tuple(goes_with), "unavailable": shelf.unavailable}
            )
        served = self._features.reorders(user_id, _considered(facts.k))
        explored = self._ask(_EXPLORATIONS, [_user(user_id)])
        because = [row["because_product_id"] for row in explored if row["because_product_id"] is not None]
        shelf = self._shelf([*(each.product_id for each in served.reorders), *because])
        model_version, weights = self._model(served)
        return facts.model_copy(
            update={
                "as_of": served.as_of or next((row["as_of"] for row in explored), None),
                "model_version": model_version,
                "persona": self._persona(user_id),
                "weights": weights,
                "bought": tuple(_bought(each) for each in served.reorders if each.purchases),
                "new": tuple(_new(served.reorders, explored, shelf)),
                "cart": tuple(cart),
                "unavailable": shelf.unavailable,
            }
        )

    def _model(self, served: ServedReorders) -> tuple[str | None, dict[str, float]]:
        """What predicted the list: a model of the model tier, or weights of a date and what they are."""
        first = next(iter(served.reorders), None)
        if isinstance(first, ModelReorder):
            return first.model_version, {}
        if first is None:
            return None, {}
        asked = [Parameter("as_of", "DATE", served.as_of), Parameter("horizon_days", "INT64", HORIZON_DAYS)]
        rows = self._ask(_WEIGHTS, asked)
        return f"weights of {rows[0]['as_of']}" if rows else None, {row["feature"]: row["weight"] for row in rows}

    def _persona(self, user_id: str) -> PersonaName | None:
        return next((row["persona"] for row in self._ask(_PERSONA, [_user(user_id)])), None)

    def _shelf(self, product_ids: Iterable[str]) -> "_Shelf":
        wanted = sorted(set(product_ids))
        return _Shelf(self._ask(_SHELF, [_products(wanted)]) if wanted else [])

    def _keep(self, decision: Decision) -> None:
        """Add the decision to the table. A list is worth serving even when it cannot be kept."""
        place = f"{dataset_id(self._settings, DECISIONS.table.dataset)}.{DECISIONS.table.name}"
        try:
            insert_rows(self._client, place, [decision.model_dump(mode="json")])
        except (Unavailable, Refused) as error:
            logger.warning("decision %s was served and is not kept: %s", decision.decision_id, error)

    def _ask(self, statement: str, parameters: Sequence[AnyParameter]) -> list[Row]:
        return ask(self._client, self._settings, statement, parameters)


class _Shelf:
    """What the latest `product_popularity` says of some products."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {row["product_id"]: row for row in rows}

    def name(self, product_id: str) -> str:
        return self._rows.get(product_id, {}).get("name") or product_id

    def category(self, product_id: str) -> str | None:
        category: str | None = self._rows.get(product_id, {}).get("category")
        return category

    @cached_property
    def unavailable(self) -> tuple[str, ...]:
        return tuple(product_id for product_id, row in self._rows.items() if not row["available"])


def _considered(k: int) -> int:
    return max(CONSIDERED_FOR_EACH * k, CONSIDERED_AT_LEAST)


def _bought(reorder: Reorder | ModelReorder) -> Bought:
    known = Bought(
        product_id=reorder.product_id,
        category=reorder.category,
        purchases=reorder.purchases,
        days_since_last=reorder.days_since_last or 0.0,
        mean_gap_days=None,
    )
    if isinstance(reorder, ModelReorder):
        return known.model_copy(update={"probability": reorder.probability, "model_inputs": reorder.inputs})
    return known.model_copy(update={"mean_gap_days": reorder.mean_gap_days, "inputs": reorder.inputs.model_dump()})


def _new(predicted: Iterable[Reorder | ModelReorder], explored: Sequence[Row], shelf: _Shelf) -> Iterable[New]:
    """What the user may try: of the model tier where it names anything new, else the explorations."""
    evidence = {row["product_id"]: row for row in explored}
    alike = {
        each.product_id: (each.probability, each.inputs)
        for each in predicted
        if isinstance(each, ModelReorder) and not each.purchases
    }
    chances = alike or {row["product_id"]: (row["probability"], None) for row in explored}
    for product_id, (probability, inputs) in chances.items():
        row = evidence.get(product_id)
        if row is None:
            yield New(
                product_id=product_id,
                category=shelf.category(product_id),
                probability=probability,
                source="like_others",
                model_inputs=inputs,
            )
            continue
        because = row["because_product_id"]
        yield New(
            product_id=product_id,
            category=row["category"],
            probability=probability,
            source=row["source"],
            buyers=row["buyers"],
            because=None if because is None else shelf.name(because),
            together_orders=row["together_orders"],
            together_users=row["together_users"],
            model_inputs=inputs,
        )


def _user(user_id: str) -> Parameter:
    return Parameter("user_id", "STRING", user_id)


def _products(product_ids: Sequence[str]) -> bigquery.ArrayQueryParameter:
    return bigquery.ArrayQueryParameter("product_ids", "STRING", list(product_ids))
