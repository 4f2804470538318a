"""Redis is killed in the middle of a minute under load, and comes back."""

import json
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random

import redis

from benchmarks.http_load import Reply, at_rate
from benchmarks.results import Rows
from deploy.local.stack import Part

from .http_api import Shop, requests, start_api
from .parts import start_redis

SECONDS, KILLED_AFTER, BACK_AFTER = 60.0, 20.0, 35.0


def measure(shop: Shop, part: Part, directory: Path, per_second: float, users: int) -> tuple[Rows, int, float]:
    """Where answers were from before, while and after; errors; and seconds until Redis answered again.

    Redis comes back with what it had.
    """
    moments: dict[str, float] = {}
    back: list[Part] = []

    def kill() -> None:
        part.process.kill()
        part.process.wait()
        moments["killed"] = time.perf_counter()

    def start() -> None:
        back.append(start_redis(shop.redis_port, directory, keeps=True))
        moments["back"] = time.perf_counter()

    with redis.Redis(port=shop.redis_port) as client:
        client.save()
    try:
        with ExitStack() as more:
            port = start_api(more, shop)
            replies = at_rate(
                port,
                requests(Random(10), users),
                per_second=per_second,
                seconds=SECONDS,
                meanwhile=((KILLED_AFTER, kill), (BACK_AFTER, start)),
            )
    finally:
        for each in back:
            each.stop()
    killed, returned = moments["killed"], moments["back"]
    spans = {
        "before": [reply for reply in replies if reply.ended < killed],
        "while it is away": [reply for reply in replies if reply.at >= killed and reply.ended < returned],
        "after": [reply for reply in replies if reply.at >= returned],
    }
    again = min(reply.ended for reply in spans["after"] if _source(reply) == "redis")
    rows = [_row(name, span) for name, span in spans.items()]
    return rows, sum(reply.status != 200 for reply in replies), again - returned


def _row(name: str, replies: list[Reply]) -> dict[str, object]:
    sources = Counter(_source(reply) for reply in replies)
    took = sorted(reply.seconds for reply in replies)
    counts = {source: sources[source] for source in ("redis", "warehouse", "remembered", "default", "error")}
    return {
        "Redis": name,
        "requests": len(replies),
        **counts,
        "p50 ms": round(took[len(took) // 2] * 1000, 2),
        "p99 ms": round(took[len(took) * 99 // 100] * 1000, 2),
    }


def _source(reply: Reply) -> str:
    if reply.status != 200:
        return "error"
    meta = json.loads(reply.body)["meta"]
    return "remembered" if meta["stale"] else str(meta["source"])
