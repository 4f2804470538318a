"""`python -m benchmarks.serving --feast PYTHON`: ten minutes."""

import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec
import redis

from benchmarks.results import Goal, Rows, at_least, at_most, show, write
from deploy.local.stack import LocalStack

from . import http_api, outage, publishing, reads
from .parts import await_that, feast, first_line, free_port, listens, server, start_redis

READ_USERS, PUBLISHED_USERS, MEMORY_USERS, FEAST_USERS = 50_000, 100_000, (100_000, 1_000_000), 20_000
LATENESS_PER_SECOND, OUTAGE_PER_SECOND, OUTAGE_USERS = 500, 100, 5_000
PACKAGES = ("redis", "msgspec", "fastapi", "starlette", "uvicorn", "uvloop")


@click.command()
@click.option(
    "--feast",
    "python",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The Python of the environment in which Feast is installed; `make bench-serving` makes one.",
)
@click.option(
    "--seconds", default=3.0, show_default=True, type=click.FloatRange(0.5), help="Of each round of requests."
)
def main(python: Path, seconds: float) -> None:
    """Measure reading, publishing and serving beside Feast and the bare clients.

    Example: python -m benchmarks.serving --feast .venv-peers-serving/bin/python
    """
    tables: dict[str, Rows] = {}
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as more:
        directory, port = Path(folder), free_port()
        part = start_redis(port, directory, keeps=True)
        more.callback(part.stop)
        with redis.Redis(port=port) as client:
            click.echo("Feast's reads and rows …", err=True)
            ran = subprocess.run(
                feast(python, "read", f"{folder}/feast", str(port), str(FEAST_USERS)),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            peers: list[dict[str, Any]] = msgspec.json.decode(ran.stdout)
            click.echo("reads …", err=True)
            _reads(client, port, peers, tables, goals)
            show(tables, goals)
            click.echo("publishing …", err=True)
            _publishing(client, port, peers, tables, goals)
        show(tables, goals)
        click.echo("HTTP …", err=True)
        stack = more.enter_context(LocalStack(directory / "stack", {}))
        shop = http_api.Shop(stack, port)
        shop.fill()
        _http(python, shop, seconds, tables, goals)
        show(tables, goals)
        click.echo("an outage of a minute …", err=True)
        rows, errors, again = outage.measure(shop, part, directory, OUTAGE_PER_SECOND, OUTAGE_USERS)
        tables[f"Redis is killed and comes back, at {OUTAGE_PER_SECOND} requests/s over HTTP"] = rows
        goals += [at_most("errors to callers", 0, errors), at_most("seconds until Redis answers again", 5, again)]
    show(tables, goals)
    version = subprocess.run(
        [str(python), "-c", "from importlib.metadata import version; print(version('feast'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    file = write(
        "serving", "Serving features", tables, goals, packages=PACKAGES, peers={"feast": version.stdout.strip()}
    )
    click.echo(str(file))


def _reads(
    client: redis.Redis, port: int, peers: list[dict[str, Any]], tables: dict[str, Rows], goals: list[Goal]
) -> None:
    publishing.publish(client, READ_USERS, "shopstream")
    reads.put_bare(client, READ_USERS)
    one, many = reads.measure(port, READ_USERS)
    rates = {row["way"]: row for rows in (one, many) for row in rows}
    bare, bare_many = one[0]["p50 µs"], many[0]["p50 µs"]
    for peer in peers:
        way = f"Feast, {peer['store']}"
        for rows, seconds, other in ((one, peer["one"], bare), (many, peer["hundred"], bare_many)):
            micros = round(seconds * 1e6, 1)
            rows.append({"way": way, "p50 µs": micros, reads.RATIO: round(micros / other, 2)})
    tables["One user's twenty features"] = one
    tables["Those of a hundred users"] = many
    goals += [
        at_most("one user, times bare GET", 1.3, one[1][reads.RATIO]),
        at_most("one user awaited, times bare GET", 1.3, rates["AsyncFeatureStore, from Redis"][reads.RATIO]),
        at_most("a hundred users, times bare MGET", 1.5, many[1][reads.RATIO]),
        at_most("from memory, µs", 5, rates["FeatureStore, from memory"]["p50 µs"]),
    ]


def _publishing(
    client: redis.Redis, port: int, peers: list[dict[str, Any]], tables: dict[str, Rows], goals: list[Goal]
) -> None:
    rows = publishing.measure(client, PUBLISHED_USERS)
    bare, ours = (row["users/s"] for row in rows)
    feasts = max(peer["rows/s"] for peer in peers)
    for peer in peers:
        ratio = round(peer["rows/s"] / bare, 3)
        rows.append({"way": f"Feast, {peer['store']}", "users/s": round(peer["rows/s"]), publishing.RATIO: ratio})
    tables[f"Publishing {PUBLISHED_USERS:,} users (Feast: {FEAST_USERS:,})"] = rows
    grown = publishing.memory(port, MEMORY_USERS)
    tables["Memory of the process that publishes"] = grown
    goals += [
        at_least("publishing, times bare MSET", 0.5, rows[1][publishing.RATIO]),
        at_least("publishing, times Feast", 30, ours / feasts),
        at_most(
            "memory of a million users, times that of a tenth",
            1.5,
            grown[1][publishing.MOST] / grown[0][publishing.MOST],
        ),
    ]


def _http(python: Path, shop: http_api.Shop, seconds: float, tables: dict[str, Rows], goals: list[Goal]) -> None:
    feast_port = free_port()
    arguments = (str(shop.directory / "feast"), str(shop.redis_port), str(FEAST_USERS), str(feast_port))
    with server(feast(python, "serve", *arguments), {}) as process:
        first_line(process)
        await_that(lambda: listens(feast_port), "Feast's server")
        served = http_api.throughput(shop, feast_port, seconds)
    tables["Over HTTP, one process, eight clients"] = served
    late = http_api.lateness(shop, LATENESS_PER_SECOND, 20.0)
    tables["How late answers are"] = late
    shed = http_api.overload(shop, seconds)
    tables["More clients than may ask at once"] = shed
    ours, feasts = served[1], served[3]
    goals += [
        at_least("HTTP, times the bare handler, each read from Redis", 0.6, ours[http_api.RATIO]),
        at_least("HTTP, times Feast's server", 20, ours["requests/s"] / feasts["requests/s"]),
        at_most(f"p99 ms at {LATENESS_PER_SECOND} requests/s", 10, late[0]["p99 ms"]),
        at_least("after overload, of the rate before", 0.8, shed[2]["requests/s"] / shed[0]["requests/s"]),
    ]


if __name__ == "__main__":
    main()
