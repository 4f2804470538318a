"""The events of the benchmark: of ten six are clicks, three are searches with ten results, one is an order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson

from shopstream.schemas.identifiers import make_event_id

START = datetime(2026, 11, 20, tzinfo=UTC)
_WORDS = ("organic", "oat", "milk", "bread", "red", "wine", "cheese", "blue", "butter", "eggs", "coffee", "dark", "1l")


def lines(count: int, seed: int = 7) -> Iterator[bytes]:
    """So many events as capture would send them, each a line of JSON."""
    random = Random(seed)
    for number in range(count):
        moment = START + timedelta(milliseconds=10 * number)
        yield orjson.dumps(
            {
                "event_id": make_event_id(moment, random),
                "occurred_at": moment,
                "source": "shop-search",
                "schema_version": 1,
                "user_id": f"u-{random.randrange(20_000):05}",
                "session_id": f"s-{random.randrange(20_000):05}",
                **_own(number, random),
                "writer_id": "20261120T000000-4711-0a1b2c3d",
                "sequence": number + 1,
            }
        )


def _own(number: int, random: Random) -> dict[str, Any]:
    product_id = f"p-{random.randrange(10_000):04}"
    if number % 10 < 6:
        return {
            "event_type": "interaction",
            "action": "click",
            "product_id": product_id,
            "query_id": f"q-{number - number % 10}",
            "position": random.randint(1, 10),
        }
    if number % 10 < 9:
        return {
            "event_type": "search",
            "query_id": f"q-{number}",
            "query": " ".join(random.sample(_WORDS, random.randint(2, 4))),
            "results": [
                {"product_id": f"p-{random.randrange(10_000):04}", "position": position} for position in range(1, 11)
            ],
            "total_results": random.randint(10, 999),
            "latency_ms": round(random.random() * 100, 1),
            "channel": "web",
        }
    return {
        "event_type": "order",
        "order_id": f"o-{number}",
        "status": "placed",
        "items": [
            {"product_id": f"p-{random.randrange(10_000):04}", "quantity": 1, "unit_price": f"{price}.99"}
            for price in random.sample(range(1, 99), 4)
        ],
        "currency": "EUR",
        "total_amount": "123.45",
        "channel": "web",
    }
