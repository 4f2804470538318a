"""Recommendations over the wire: from tables to a list, kept, looked up and decided again."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from deploy.local.complete_journey import Basket, Line
from deploy.local.stack import LocalStack
from shopstream.ml_features.decisions.facts import Facts
from shopstream.ml_features.decisions.recommender import Recommender, keep_decision, kept_decision
from shopstream.ml_features.decisions.trace import decided_again, decision_id_of
from shopstream.ml_features.serving.answer import Answer, nothing
from shopstream.ml_features.serving.store import FeatureStore
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import connect, load_rows
from shopstream.schemas import read_settings
from shopstream.schemas.decision import Decision, DecisionKind
from shopstream.schemas.serving.views import WEIGHTS
from shopstream.schemas.warehouse import HIDDEN_PRODUCTS, dataset_id, raw_table_id

from ..conftest import Warehouse, made_warehouse
from .conftest import loader, patient, runner

AS_OF = date(2026, 3, 31)
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)
EARLIER = NOW - timedelta(days=2)
JOBS = ("reorder_weights", "reorders", "profiles", "personas", "product_popularity", "product_affinities")


def basket(user: str, day: int, *products: str) -> Basket:
    lines = tuple(Line(product, "dairy", "dairy maid", 1, Decimal("1.19")) for product in products)
    return Basket(user, f"{user}-{day}", AT + timedelta(days=day), lines)


def refusal(user: str) -> dict[str, Any]:
    return {"user_id": user, "purpose": "personalization", "granted": False, "policy_version": "v1"}


def listing(product: str, name: str, availability: str) -> dict[str, Any]:
    return {"product_id": product, "name": name, "currency": "EUR", "price": "1", "availability": availability}


class Shop:
    """A shop with few customers, and what it says to them. Read by every test: each has users of its own."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.settings = read_settings(FeatureSettings, warehouse.environment)
        self.store = FeatureStore(warehouse.client, patient(self.settings))
        self.recommender = Recommender(
            self.store, self.settings, partial(keep_decision, warehouse.client, self.settings)
        )

    def kept(self, decision_id: str) -> Decision | None:
        return kept_decision(self.warehouse.client, self.settings, decision_id)

    def give(self, event_type: str, *rows: Mapping[str, Any]) -> None:
        """These events and no others of the type."""
        whole = [
            {
                "event_id": f"01a1f640-f3c5-79e9-a5b7-{number:012x}",
                "event_type": event_type,
                "schema_version": 1,
                "source": "shop",
                "imported": False,
                **dict.fromkeys(("occurred_at", "received_at", "ingested_at"), EARLIER.isoformat()),
                **row,
            }
            for number, row in enumerate(rows)
        ]
        table = self.warehouse.client.get_table(raw_table_id(self.settings, event_type))
        load_rows(self.warehouse.client, table, whole)

    def products(self, user: str, kind: DecisionKind = "next_basket") -> list[str]:
        return [item.product_id for item in self.recommender.recommend(user, kind, NOW).items]


@pytest.fixture(scope="module")
def shop(stack: LocalStack) -> Iterator[Shop]:
    with made_warehouse(stack, "recommender") as warehouse:
        made = Shop(warehouse)
        loader(warehouse, made.settings)(
            [
                *(basket(f"other-{n}", n, "bread", "milk", "jam", "lard") for n in range(4)),
                *(basket(f"other-{n}", 10 + n, "tea") for n in range(3)),
                basket("regular", 5, "bread", "milk"),
                basket("regular", 15, "milk"),
                basket("regular", 25, "milk"),
                basket("once", 20, "tea"),
                basket("shy", 20, "tea"),
                basket("leaves", 20, "tea"),
                basket("larder", 20, "lard"),
            ]
        )
        made.give(
            "product",
            listing("milk", "Whole milk", "in_stock"),
            listing("bread", "Bread", "in_stock"),
            listing("lard", "Lard", "discontinued"),
        )
        made.give("consent", refusal("shy"))
        for table in (*JOBS, "explorations"):
            runner(warehouse, made.settings)(table, AS_OF)
        yield made
        made.store.close()


def test_a_next_basket_names_what_is_bought_again_and_what_goes_with_it(shop: Shop) -> None:
    decision = shop.recommender.recommend("regular", "next_basket", NOW)
    assert [(item.product_id, item.source, item.reason) for item in decision.items] == [
        ("milk", "bought_before", "bought 3 times in the last year, every 10 days on average, last 6 days ago"),
        ("bread", "bought_before", "bought once in the last year, last 26 days ago"),
        ("tea", "popular", "bought by 5 customers in the last 28 days"),
        ("jam", "same_buyers", "bought by 4 customers who also bought Whole milk"),
    ]
    assert (decision.user_id, decision.as_of, decision.consent) == ("regular", AS_OF, "undecided")
    assert decision.model_version == f"weights of {AS_OF}"


def test_what_somebody_hid_from_a_user_is_in_none_of_the_users_lists(shop: Shop) -> None:
    assert "milk" in shop.products("hides")
    row = {"computed_at": datetime.now(UTC).isoformat(), "asked_at": NOW.isoformat(), "user_id": "hides"}
    place = f"{dataset_id(shop.settings, HIDDEN_PRODUCTS.table.dataset)}.{HIDDEN_PRODUCTS.table.name}"
    load_rows(shop.warehouse.client, shop.warehouse.client.get_table(place), [row | {"product_ids": ["milk"]}])
    decision = shop.recommender.recommend("hides", "next_basket", NOW)
    assert "milk" not in {item.product_id for item in decision.items}
    assert "hidden: 1" in decision.rules
    assert Facts.model_validate_json(decision.facts).hidden == ("milk",)
    assert "milk" in shop.products("somebody else")


def test_the_score_is_what_the_table_says_to_the_twelfth_digit(shop: Shop) -> None:
    stored = shop.warehouse.rows("SELECT product_id, probability FROM `{features}.reorders` WHERE user_id = 'regular'")
    by_product = {row["product_id"]: row["probability"] for row in stored}
    items = shop.recommender.recommend("regular", "buy_again", NOW).items
    assert {item.product_id: item.score for item in items} == pytest.approx(by_product, abs=1e-12)


def test_a_decision_is_looked_up_by_its_id_and_decided_again_to_the_last_digit(shop: Shop) -> None:
    kinds: tuple[DecisionKind, ...] = ("next_basket", "buy_again", "something_new", "goes_with_cart")
    for kind in kinds:
        decision = shop.recommender.recommend("regular", kind, NOW, cart=["bread"])
        found = shop.kept(decision.decision_id)
        assert found == decision
        assert decision_id_of(found) == decision.decision_id
        again = decided_again(found)
        assert (again.items, again.rules) == (decision.items, decision.rules)
    assert shop.kept("0" * 32) is None


def test_a_decision_that_was_tampered_with_does_not_have_its_id(shop: Shop) -> None:
    decision = shop.recommender.recommend("regular", "next_basket", NOW)
    facts = json.loads(decision.facts) | {"persona": "explorer"}
    assert decision_id_of(decision.model_copy(update={"facts": json.dumps(facts)})) != decision.decision_id


def test_what_goes_with_the_cart_is_not_what_is_in_it(shop: Shop) -> None:
    decision = shop.recommender.recommend("regular", "goes_with_cart", NOW, cart=["bread", "milk"])
    assert (decision.items[0].product_id, decision.items[0].reason) == ("jam", "in 4 orders together with Bread")
    assert not {"bread", "milk"} & {item.product_id for item in decision.items}


def test_a_product_that_left_the_catalogue_is_not_recommended(shop: Shop) -> None:
    decision = shop.recommender.recommend("larder", "next_basket", NOW)
    assert "lard" not in [item.product_id for item in decision.items]
    assert "unavailable: 1" in decision.rules
    assert "lard" not in shop.products("regular")
    assert "lard" not in shop.products("nobody")


def test_who_refuses_is_shown_what_sells_and_nothing_is_kept_of_the_user(shop: Shop) -> None:
    decision = shop.recommender.recommend("shy", "next_basket", NOW, cart=["bread"])
    assert {item.source for item in decision.items} == {"popular"}
    assert (decision.user_id, decision.persona, decision.consent) == (None, None, "refused")
    assert "shy" not in decision.model_dump_json()
    assert json.loads(decision.facts)["bought"] == []
    assert shop.products("shy", "buy_again") == []


def test_who_was_not_asked_is_shown_what_sells_where_consent_comes_first(shop: Shop) -> None:
    opt_in = read_settings(FeatureSettings, {**shop.warehouse.environment, "CONSENT_OTHERWISE": "denied"})
    decision = Recommender(shop.store, opt_in).recommend("regular", "next_basket", NOW)
    assert {item.source for item in decision.items} == {"popular"}


def test_a_withdrawal_takes_the_users_decisions_along_with_the_next_run(shop: Shop) -> None:
    kept = shop.recommender.recommend("leaves", "next_basket", NOW)
    other = shop.recommender.recommend("once", "next_basket", NOW)
    shop.give("consent", refusal("shy"), refusal("leaves"))
    runner(shop.warehouse, shop.settings)("explorations", AS_OF)
    assert shop.kept(kept.decision_id) is None
    assert shop.kept(other.decision_id) == other


def test_a_new_user_is_shown_what_sells(shop: Shop) -> None:
    decision = shop.recommender.recommend("nobody", "next_basket", NOW, k=2)
    assert [(item.product_id, item.source) for item in decision.items] == [("tea", "popular"), ("milk", "popular")]
    assert decision.as_of is None


def test_a_user_with_one_order_gets_it_and_what_is_new(shop: Shop) -> None:
    decision = shop.recommender.recommend("once", "next_basket", NOW)
    assert decision.items[0].reason == "bought once in the last year, last 10 days ago"
    assert {item.product_id for item in decision.items} == {"tea", "bread", "milk", "jam"}


def test_decisions_are_not_kept_where_that_is_switched_off(shop: Shop) -> None:
    settings = read_settings(FeatureSettings, {**shop.warehouse.environment, "DECISIONS_KEPT": "false"})
    keep = partial(keep_decision, shop.warehouse.client, settings)
    decision = Recommender(shop.store, settings, keep).recommend("regular", "next_basket", NOW, k=1)
    assert shop.kept(decision.decision_id) is None


@pytest.mark.parametrize("k", [0, 101])
def test_k_is_from_1_to_100(shop: Shop, k: int) -> None:
    with pytest.raises(ValueError, match="k"):
        shop.recommender.recommend("regular", "next_basket", NOW, k=k)


def test_where_nobody_answers_the_list_is_empty_and_says_what_is_missing(shop: Shop) -> None:
    gone = {**shop.warehouse.environment, "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:9"}
    nowhere = read_settings(FeatureSettings, gone)
    with FeatureStore(connect(nowhere), nowhere) as store:
        keep = partial(keep_decision, connect(nowhere), nowhere)
        decision = Recommender(store, nowhere, keep).recommend("regular", "next_basket", NOW)
    assert (decision.items, decision.consent, decision.user_id) == ((), "unknown", None)
    assert decision.rules == ("not_personalised: 1", "unanswered: 2")
    assert Facts.model_validate_json(decision.facts).unanswered == ("consents", "popular_products")


def test_without_its_weights_a_chance_is_the_one_that_was_served(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    known = shop.recommender.recommend("regular", "buy_again", NOW)
    get = FeatureStore.get

    def without_weights(store: FeatureStore, view: Any, *keys: str, **options: Any) -> Answer[Any]:
        return nothing("too late") if view is WEIGHTS else get(store, view, *keys, **options)

    monkeypatch.setattr(FeatureStore, "get", without_weights)
    decision = shop.recommender.recommend("regular", "buy_again", NOW)
    assert decision.rules == ("unanswered: 1",)
    assert {item.product_id: item.score for item in decision.items} == pytest.approx(
        {item.product_id: item.score for item in known.items}, abs=1e-12
    )
