"""The events of the benchmark: searches with ten results, as plain values, all of one shape and none like another."""

from random import Random
from typing import Any

Event = dict[str, Any]

VARIED = 1000
_WORDS = (
    "organic",
    "oat",
    "milk",
    "bread",
    "red",
    "wine",
    "cheese",
    "blue",
    "butter",
    "eggs",
    "coffee",
    "dark",
    "1l",
    "500g",
)


def events(random: Random) -> list[Event]:
    """So many different ones; their query_id is to be set by name_of where they must be told apart."""
    return [
        {
            "event_type": "search",
            "query_id": f"q-{random.getrandbits(40):010x}",
            "query": " ".join(random.sample(_WORDS, random.randint(2, 5))),
            "results": [
                {"product_id": f"p-{random.randrange(10_000):04}", "position": position} for position in range(1, 11)
            ],
            "total_results": random.randint(10, 999),
            "latency_ms": round(random.random() * 100, 1),
            "user_id": f"u-{random.randrange(10_000_000):07}",
            "session_id": f"s-{random.randrange(100_000_000):08}",
            "channel": "web",
        }
        for _ in range(VARIED)
    ]


def name_of(number: int) -> str:
    """A query_id by which the sink recognises the event, whatever it is wrapped in."""
    return f"bench-{number:08}"
