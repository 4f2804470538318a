"""Events of a shop that had sold these baskets: real orders, and the searches and clicks that might have led to them.

The orders are real (Complete Journey), and so are names and prices. Searches, interactions and ratings are simulated,
from a seed, and what holds any of them carries the source `simulated`; everything is marked imported, for it is
history.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from statistics import median_low
from typing import Any, Literal

from shopstream.capture import interaction, item, order, search
from shopstream.schemas.identifiers import make_event_id

from .complete_journey import CURRENCY, FIRST_MOMENT, Basket, CatalogueEntry

REAL_SOURCE = "complete-journey"
SIMULATED_SOURCE = "simulated"
RESULTS_SHOWN = 10
FEWEST_PURCHASES = 5
"""Products bought less often stay without a name."""
# How many of a basket's products were found by searching; the others were bought without.
_SEARCHES_PER_BASKET = (0, 1, 1, 2)
_CHANNELS: tuple[Literal["web", "app"], ...] = ("web", "web", "app")
_AFTER_A_SEARCH: tuple[tuple[Literal["click", "cart_add"], int], ...] = (("click", 8), ("cart_add", 20))
"""What a simulated shopper does with the product he looked for, and how many seconds after the search."""

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Shelf:
    """The products of each category, for result lists."""

    products: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, baskets: Iterable[Basket]) -> "Shelf":
        """Everything that was ever bought."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for basket in baskets:
            for line in basket.lines:
                if line.category is not None:
                    found[line.category].add(line.product_id)
        return cls({category: sorted(products) for category, products in found.items()})


def user_id(basket: Basket) -> str:
    """The household as our events name it."""
    return f"household-{basket.household_id}"


def catalogue_events(baskets: Iterable[Basket], catalogue: Mapping[str, CatalogueEntry], seed: int) -> Iterator[Fields]:
    """A product event for each product bought at least FEWEST_PURCHASES times, before anything else happens."""
    prices: defaultdict[str, list[Decimal]] = defaultdict(list)
    for basket in baskets:
        for line in basket.lines:
            prices[line.product_id].append(line.unit_price)
    random = Random(f"shopstream/catalogue/{seed}")  # noqa: S311 - a simulation
    for product_id, paid in sorted(prices.items()):
        entry = catalogue.get(product_id)
        if entry is not None and len(paid) >= FEWEST_PURCHASES:
            yield {
                "event_type": "product",
                "event_id": make_event_id(FIRST_MOMENT, random),
                "occurred_at": FIRST_MOMENT,
                "source": SIMULATED_SOURCE,
                "imported": True,
                "product_id": product_id,
                "name": entry.name,
                "category": entry.category,
                "brand": entry.brand,
                "price": median_low(paid),
                "currency": CURRENCY,
                "rating": round(random.triangular(2.0, 5.0, 4.4), 1),
                "rating_count": int(random.lognormvariate(2.5, 1.2)),
            }


def events_of(baskets: Sequence[Basket], seed: int) -> Iterator[Fields]:
    """The events of all baskets, in the order they happened; the same for the same seed."""
    shelf = Shelf.of(baskets)
    # A string seeds the same on every machine and Python version.
    random = Random(f"shopstream/{seed}")  # noqa: S311 - a simulation
    for basket in sorted(baskets, key=lambda basket: (basket.bought_at, basket.basket_id)):
        yield from _basket_events(basket, shelf, random)


def _basket_events(basket: Basket, shelf: Shelf, random: Random) -> Iterator[Fields]:
    session_id = f"session-{basket.basket_id}"
    channel = random.choice(_CHANNELS)
    findable = [(line.product_id, line.category) for line in basket.lines if line.category is not None]
    searched = random.sample(findable, min(random.choice(_SEARCHES_PER_BASKET), len(findable)))
    moment = basket.bought_at - timedelta(seconds=60 * len(searched) + random.randrange(30, 300))
    query_id: str | None = None
    for number, (product_id, category) in enumerate(searched):
        query_id = f"query-{basket.basket_id}-{number}"
        results = _results(product_id, shelf.products[category], random)
        yield search(
            query_id=query_id,
            query=category.lower(),
            product_ids=results,
            total_results=len(shelf.products[category]),
            latency_ms=round(random.lognormvariate(3, 0.5), 1),
            channel=channel,
            occurred_at=moment,
            session_id=session_id,
            **_envelope(basket, SIMULATED_SOURCE, random),
        )
        for action, seconds in _AFTER_A_SEARCH:
            yield interaction(
                action=action,
                product_id=product_id,
                query_id=query_id,
                position=results.index(product_id) + 1,
                occurred_at=moment + timedelta(seconds=seconds),
                session_id=session_id,
                **_envelope(basket, SIMULATED_SOURCE, random),
            )
        moment += timedelta(seconds=60)
    yield order(
        order_id=basket.basket_id,
        status="placed",
        items=[
            item(
                product_id=line.product_id,
                category=line.category,
                brand=line.brand,
                quantity=line.quantity,
                unit_price=line.unit_price,
            )
            for line in basket.lines
        ],
        currency=CURRENCY,
        total_amount=basket.total,
        query_id=query_id,
        channel=channel,
        session_id=session_id,
        occurred_at=basket.bought_at,
        **_envelope(basket, REAL_SOURCE, random),
    )


def _envelope(basket: Basket, source: str, random: Random) -> dict[str, Any]:
    return {
        "event_id": make_event_id(basket.bought_at, random),
        "user_id": user_id(basket),
        "source": source,
        "imported": True,
    }


def _results(bought: str, category: Sequence[str], random: Random) -> list[str]:
    others = [product for product in category if product != bought]
    shown = random.sample(others, min(RESULTS_SHOWN - 1, len(others)))
    # What is bought mostly stood near the top.
    shown.insert(min(int(random.expovariate(0.5)), len(shown)), bought)
    return shown
