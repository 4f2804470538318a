"""The facts of a list of products for one user, from the views that are served."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec

from shopstream.schemas.decision import DecisionKind
from shopstream.schemas.live.reorders import HORIZON_DAYS
from shopstream.schemas.serving.served import ServedExploration, ServedModelReorder, ServedProductPopularity
from shopstream.schemas.serving.views import (
    AFFINITIES,
    CONSENTS,
    EXPLORATIONS,
    HIDDEN_PRODUCTS,
    LIVE_SESSIONS,
    MOST_REORDERS,
    PERSONAS,
    POPULAR,
    PRODUCTS,
    REORDERS,
    WEIGHTS,
    Item,
    View,
)

from ..consent import allows, decided
from ..reader import Features, told_persona
from ..serving.answer import Answer, Predicted
from ..serving.store import FeatureStore
from ..settings import FeatureSettings
from .facts import Bought, Facts, GoesWith, New, Popular

CONSIDERED_FOR_EACH, CONSIDERED_AT_LEAST = 3, 20
"""So many products of each kind are looked at for each place of a list, and so many at least: rules leave some out."""


class Gathering:
    """Reads for one list; remembers what nobody answered."""

    def __init__(self, store: FeatureStore, settings: FeatureSettings) -> None:
        self._store, self._settings = store, settings
        self._features = Features(store, settings)
        self._unanswered: set[str] = set()

    def facts(self, user_id: str, kind: DecisionKind, k: int, cart: Sequence[str] | None) -> Facts:
        """Everything the list is decided by, as far as it could be had in time."""
        consent = decided(self._heard(CONSENTS, self._store.get(CONSENTS, user_id)), "personalization")
        allowed = allows(self._settings, consent)
        facts = Facts(
            kind=kind,
            k=k,
            consent=consent,
            allowed=allowed,
            popular=tuple(
                Popular(product_id=row.product_id, category=row.category, share=row.share, buyers=row.buyers)
                for row in self._heard(POPULAR, self._store.get(POPULAR)).rows[: _considered(k)]
            ),
        )
        if allowed:
            facts = self._with_the_users_own(facts, user_id, cart)
        return facts.model_copy(update={"unanswered": tuple(sorted(self._unanswered))})

    def _with_the_users_own(self, facts: Facts, user_id: str, cart: Sequence[str] | None) -> Facts:
        if cart is None:
            session = self._heard(LIVE_SESSIONS, self._features.session(user_id)).row
            cart = () if session is None else [line.product_id for line in session.cart]
        hidden = self._heard(HIDDEN_PRODUCTS, self._store.get(HIDDEN_PRODUCTS, user_id)).row
        facts = facts.model_copy(update={"hidden": () if hidden is None else hidden.product_ids})
        if facts.kind == "goes_with_cart":
            of_cart = self._store.get_many(AFFINITIES, cart).values()
            pairs = [row for each in of_cart for row in self._heard(AFFINITIES, each).rows if row.orders]
            shelf = self._shelf([*cart, *(row.other_product_id for row in pairs)])
            goes_with = [
                GoesWith(
                    product_id=row.other_product_id,
                    category=shelf.category(row.other_product_id),
                    affinity=row.order_affinity + row.buyer_affinity,
                    in_cart=shelf.name(row.product_id),
                    orders=row.orders,
                )
                for row in pairs
            ]
            return facts.model_copy(
                update={"cart": tuple(cart), "goes_with": tuple(goes_with), "unavailable": shelf.unavailable}
            )
        served = self._heard(REORDERS, self._features.reorders(user_id, min(_considered(facts.k), MOST_REORDERS)))
        explored = self._heard(EXPLORATIONS, self._store.get(EXPLORATIONS, user_id))
        because = [row.because_product_id for row in explored.rows if row.because_product_id is not None]
        shelf = self._shelf([*(each.product_id for each in served.rows), *because])
        model_version, weights = self._model(served)
        return facts.model_copy(
            update={
                "as_of": served.as_of if served.rows else (explored.as_of if explored.rows else None),
                "model_version": model_version,
                "persona": told_persona(self._heard(PERSONAS, self._store.get(PERSONAS, user_id)).rows),
                "weights": weights,
                "bought": tuple(bought_of(each, weights) for each in served.rows if each.purchases),
                "new": tuple(_new(served.rows, explored.rows, shelf)),
                "cart": tuple(cart),
                "unavailable": shelf.unavailable,
            }
        )

    def _model(self, served: Answer[Predicted]) -> tuple[str | None, dict[str, float]]:
        """What predicted the list: a model of the model tier, or weights of a date and what they are."""
        first = served.row
        if isinstance(first, ServedModelReorder):
            return first.model_version, {}
        if first is None:
            return None, {}
        weights = self._heard(WEIGHTS, self._store.get(WEIGHTS))
        if not weights.rows:
            return None, {}
        of_horizon = (row for row in weights.rows if row.horizon_days in {None, HORIZON_DAYS})
        return f"weights of {weights.as_of}", {row.feature: row.weight for row in of_horizon}

    def _shelf(self, product_ids: Iterable[str]) -> "_Shelf":
        answers = self._store.get_many(PRODUCTS, sorted(set(product_ids)))
        rows = {product_id: self._heard(PRODUCTS, answer).row for product_id, answer in answers.items()}
        return _Shelf({product_id: row for product_id, row in rows.items() if row is not None})

    def _heard(self, view: View, answer: Answer[Item]) -> Answer[Item]:
        if answer.source == "default":
            self._unanswered.add(view.name)
        return answer


class _Shelf:
    """What the latest `product_popularity` says of some products."""

    def __init__(self, rows: Mapping[str, ServedProductPopularity]) -> None:
        self._rows = rows

    def name(self, product_id: str) -> str:
        row = self._rows.get(product_id)
        return product_id if row is None or row.name is None else row.name

    def category(self, product_id: str) -> str | None:
        row = self._rows.get(product_id)
        return None if row is None else row.category

    @cached_property
    def unavailable(self) -> tuple[str, ...]:
        return tuple(product_id for product_id, row in self._rows.items() if not row.available)


def _considered(k: int) -> int:
    return max(CONSIDERED_FOR_EACH * k, CONSIDERED_AT_LEAST)


def bought_of(reorder: Predicted, weights: Mapping[str, float]) -> Bought:
    """What is known of a product the user bought; without weights by the chance they gave."""
    known = Bought(
        product_id=reorder.product_id,
        category=reorder.category,
        purchases=reorder.purchases,
        days_since_last=reorder.days_since_last or 0.0,
        mean_gap_days=None,
    )
    if isinstance(reorder, ServedModelReorder):
        return known.model_copy(update={"probability": reorder.probability, "model_inputs": reorder.inputs})
    known = known.model_copy(update={"mean_gap_days": reorder.mean_gap_days})
    if not weights:  # Nobody told them; the chance was computed with them all the same.
        return known.model_copy(update={"probability": reorder.probability})
    return known.model_copy(update={"inputs": msgspec.structs.asdict(reorder.inputs)})


def _new(predicted: Iterable[Predicted], explored: Sequence[ServedExploration], shelf: _Shelf) -> Iterable[New]:
    """What the user may try: of the model tier where it names anything new, else the explorations."""
    evidence = {row.product_id: row for row in explored}
    alike = {
        each.product_id: (each.probability, each.inputs)
        for each in predicted
        if isinstance(each, ServedModelReorder) and not each.purchases
    }
    chances = alike or {row.product_id: (row.probability, None) for row in explored}
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
        because = row.because_product_id
        yield New(
            product_id=product_id,
            category=row.category,
            probability=probability,
            source=row.source,
            buyers=row.buyers,
            because=None if because is None else shelf.name(because),
            together_orders=row.together_orders,
            together_users=row.together_users,
            model_inputs=inputs,
        )
