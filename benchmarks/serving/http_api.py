"""The HTTP API beside a bare handler and Feast's server: requests a second, lateness at a rate, and overload."""

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import repeat
from random import Random
from typing import Any

import click
import redis

from benchmarks.http_load import Reply, at_rate, flat_out, get, post, row_of
from benchmarks.results import Rows
from deploy.local.stack import LocalStack
from shopstream.ml_features.api.keys import new_key
from shopstream.ml_features.serving.publish import Publisher, view_batches
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import connect, load_rows
from shopstream.pipeline.tables import apply_tables
from shopstream.schemas import read_settings
from shopstream.schemas.serving.views import CONSENTS, PROFILES
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

from .parts import first_line, free_port, own_python, server

USERS, CLIENTS, ROUNDS = 20_000, 8, 5
RATIO = "times the bare handler's"
TEXT, KEY = new_key("benchmark", "read", None, Random(1))
BARE = """
import sys
import redis.asyncio, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
client = redis.asyncio.Redis(port=int(sys.argv[2]))
async def profile(request):
    return Response(await client.get("bare:" + request.path_params["user_id"]), media_type="application/json")
print('{"address": ""}', flush=True)
app = Starlette(routes=[Route("/v1/users/{user_id}/profile", profile)])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")
"""
OURS = "from shopstream.ml_features.cli import main; main()"


class Shop:
    """Profiles in a warehouse on this machine, published to a Redis."""

    def __init__(self, stack: LocalStack, redis_port: int) -> None:
        self.redis_port, self.directory = redis_port, stack.directory
        self.environment = {
            **stack.environment,
            "REDIS_ENABLED": "true",
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "SERVING_API_KEYS": KEY.line(),
            "SERVING_API_PORT": "0",
            "SERVING_API_REQUESTS_PER_SECOND": "1e9",
            "SERVING_API_BURST_REQUESTS": "1000000000",
            # Look-ups would be written to the emulator on the same two cores, and not to BigQuery.
            "SERVING_API_AUDIT_ENABLED": "false",
        }
        self.settings = read_settings(FeatureSettings, self.environment)

    def fill(self, users: int = USERS) -> None:
        """Load and publish profiles; and the same as JSON for the bare handler."""
        client, now = connect(self.settings), datetime.now(UTC)
        apply_tables(client, self.settings)
        as_of, random = now.date() - timedelta(days=1), Random(5)
        rows = [_profile(number, random) | {"as_of": str(as_of)} for number in range(users)]
        place = f"{dataset_id(self.settings, Dataset.FEATURES)}.{PROFILES.table.name}"
        load_rows(client, client.get_table(place), rows)
        with redis.Redis(port=self.redis_port) as cache:
            publisher = Publisher(cache, self.settings.redis_prefix)
            for view in (PROFILES, CONSENTS):
                publisher.publish(view, as_of, now, view_batches(client, self.settings, view, as_of))
            cache.mset({f"bare:{row['user_id']}": json.dumps(row) for row in rows})


def requests(random: Random, users: int = USERS) -> Iterator[bytes]:
    """Somebody's profile, again and again."""
    while True:
        yield get(f"/v1/users/u{random.randrange(users)}/profile", X_Api_Key=TEXT)


def throughput(shop: Shop, feast_port: int, seconds: float) -> Rows:
    """Requests a second of one process each; the servers take turns, and a ratio is the median of the rounds'."""
    random = Random(6)
    features = [f"users:number_{n}" for n in range(12)] + [f"users:count_{n}" for n in range(5)]
    features += [f"users:word_{n}" for n in range(3)]
    asked = json.dumps({"features": features, "entities": {"user_id": ["user-0000001"]}}).encode()
    with ExitStack() as more:
        bare_port = free_port()
        bare = more.enter_context(server(own_python(BARE, str(bare_port), str(shop.redis_port)), {}))
        first_line(bare)
        servers = {
            "Starlette and redis.asyncio, bare": (bare_port, requests(random)),
            "shopstream, each read from Redis": (start_api(more, shop, SERVING_CACHE_SECONDS="0"), requests(random)),
            "shopstream, as it is set": (start_api(more, shop), requests(random)),
            "Feast's Python server": (feast_port, repeat(post("/get-online-features", asked))),
        }
        found: dict[str, list[Rows]] = {name: [] for name in servers}
        for number in range(ROUNDS + 1):
            for name, (port, some) in servers.items():
                replies = flat_out(port, some, clients=CLIENTS, seconds=seconds)
                if port == feast_port:  # It closes a connection now and then.
                    replies = [reply for reply in replies if reply.status]
                _all_answered(name, replies)
                if number:  # The first round is for warming up.
                    found[name].append(row_of(name, replies, seconds))
    bare_rates = [rows[0]["requests/s"] for rows in next(iter(found.values()))]
    return [_median(rows, bare_rates) for rows in found.values()]


def lateness(shop: Shop, per_second: float, seconds: float) -> Rows:
    """How late answers are at a rate."""
    with ExitStack() as more:
        port = start_api(more, shop, SERVING_CACHE_SECONDS="0")
        _all_answered("ours", flat_out(port, requests(Random(7)), clients=CLIENTS, seconds=1))
        replies = at_rate(port, requests(Random(8)), per_second=per_second, seconds=seconds)
    _all_answered("ours", replies)
    return row_of(f"shopstream at {per_second:,.0f} requests/s", replies, seconds)


def overload(shop: Shop, seconds: float) -> Rows:
    """Three hundred clients at once where 32 may be: before, while and after."""
    random = Random(9)
    with ExitStack() as more:
        port = start_api(more, shop, SERVING_CACHE_SECONDS="0", SERVING_API_REQUESTS_AT_ONCE="32")
        flat_out(port, requests(random), clients=CLIENTS, seconds=1)
        rows = []
        for name, clients in (("8 clients", 8), ("300 clients", 300), ("8 clients again", 8)):
            replies = flat_out(port, requests(random), clients=clients, seconds=seconds)
            (row,) = row_of(name, replies, seconds)
            rows.append(row | {"statuses": ", ".join(f"{status}: {n:,}" for status, n in _statuses(replies).items())})
    return rows


def start_api(more: ExitStack, shop: Shop, **variables: str) -> int:
    """A server of its own; its port."""
    process = more.enter_context(server(own_python(OURS, "serve", "--json"), shop.environment | variables))
    return int(first_line(process)["address"].rpartition(":")[2])


def _profile(number: int, random: Random) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(days=random.random() * 30)
    return {
        "user_id": f"u{number}",
        "orders": random.randrange(1, 60),
        "first_order_at": (at - timedelta(days=300)).isoformat(),
        "last_order_at": at.isoformat(),
        "days_since_last_order": random.random() * 30,
        "currency": "EUR",
        "spend": f"{random.random() * 900:.2f}",
        "mean_basket_value": f"{random.random() * 90:.2f}",
        "mean_basket_items": random.random() * 20,
        "mean_days_between_orders": random.random() * 20,
        "favourite_categories": ["dairy", "bakery", "fruit and vegetables"],
        "favourite_brands": ["private label"],
        "price_level": 1.02,
        "usual_weekday": 6,
        "usual_hour": 17,
        "lifecycle_stage": "active",
        "churn_risk": random.random(),
        "expected_order_days": random.random() * 20,
        "searches": random.randrange(90),
        "clicks": random.randrange(90),
        "favourite_intents": ["product"],
    }


def _all_answered(name: str, replies: list[Reply]) -> None:
    if wrong := {status: count for status, count in _statuses(replies).items() if status != 200}:
        raise click.ClickException(f"{name}: not every request was answered: {wrong}")


def _statuses(replies: list[Reply]) -> Mapping[int, int]:
    return dict(sorted(Counter(reply.status for reply in replies).items()))


def _median(rounds: list[Rows], bare: list[float]) -> dict[str, Any]:
    rows = [rows[0] for rows in rounds]
    ratios = [row["requests/s"] / other for row, other in zip(rows, bare, strict=True)]
    figures = {name: statistics.median(row[name] for row in rows) for name in ("requests/s", "p50 ms", "p99 ms")}
    return {"server": rows[0]["server"], **figures, RATIO: round(statistics.median(ratios), 3)}
