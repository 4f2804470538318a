"""Everything that is measured of capture; each part can be run alone.

Example: python -m benchmarks.capture latency --seconds 1 --no-peers
"""

from collections.abc import Sequence
from typing import Any

import click

from benchmarks.results import Goal, Rows, write

from .host import host
from .latency import STATES, latency
from .losses import losses
from .memory import memory
from .runs import PEERS_PYTHON, PEERS_REQUIREMENTS, say
from .shares import shares
from .subjects import FLOOR, OURS, OURS_OFF, PEERS
from .throughput import drain

_OTEL = "opentelemetry-sdk"

seconds_option = click.option("--seconds", default=3.0, show_default=True, help="Of calls, a subject and state.")
events_option = click.option("--events", default=100_000, show_default=True, help="Events tracked by us.")
peers_option = click.option("--peers/--no-peers", default=True, show_default=True, help="Measure the peers too.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Measure capture beside its peers. Parts print what they find; `all` keeps it for docs/benchmarks.md.

    Example: python -m benchmarks.capture losses --events 5000 --peer-events 1000
    """


@cli.command("latency")
@seconds_option
@peers_option
def latency_alone(seconds: float, peers: bool) -> None:
    """Percentiles of one call, by state of the sink.

    Example: python -m benchmarks.capture latency --seconds 1 --no-peers
    """
    _print(latency(seconds, _with(peers)))


@cli.command("shares")
def shares_alone() -> None:
    """What a track is made of.

    Example: python -m benchmarks.capture shares
    """
    _print(shares())


@cli.command("host")
@click.option("--requests", default=2000, show_default=True, help="Handled, a subject.")
@peers_option
def host_alone(requests: int, peers: bool) -> None:
    """CPU time a request.

    Example: python -m benchmarks.capture host --requests 500
    """
    _print(host(requests, _with(peers)))


@cli.command("drain")
@events_option
def drain_alone(events: int) -> None:
    """How fast a spool is emptied.

    Example: python -m benchmarks.capture drain --events 50000
    """
    _print(drain(events))


@cli.command("memory")
@events_option
@peers_option
def memory_alone(events: int, peers: bool) -> None:
    """Resident growth with every backend down.

    Example: python -m benchmarks.capture memory --events 50000 --no-peers
    """
    _print(memory(events, _with(peers)))


@cli.command("losses")
@events_option
@click.option("--peer-events", default=10_000, show_default=True, help="Events tracked by each peer.")
@click.option("--outage", default=30.0, show_default=True, help="Seconds the sink is down.")
@peers_option
def losses_alone(events: int, peer_events: int, outage: float, peers: bool) -> None:
    """Events lost, by scenario.

    Example: python -m benchmarks.capture losses --events 5000 --peer-events 1000 --outage 10
    """
    _print(losses(events, peer_events, outage, _with(peers)))


@cli.command("all")
@seconds_option
@peers_option
def everything(seconds: float, peers: bool) -> None:
    """All of it, about twenty minutes; writes benchmarks/results/capture.json.

    Example: python -m benchmarks.capture all
    """
    peers = _with(peers)
    calls = latency(seconds, peers)
    hosts = host(2000, peers)
    drained = drain(500_000)
    remembered = memory(1_000_000, peers)
    lost = losses(100_000, 20_000, 30.0, peers)
    tables = {
        "On the caller's thread, at 10,000 calls a second": calls,
        "What a `track` is made of": shares(),
        "The host: a handler of 1 ms CPU, 200 requests a second": hosts,
        "Emptying a spool into a Pub/Sub stub": drained,
        "A million events with every backend down": remembered,
        "Events lost, of those whose call had returned": lost,
    }
    packages = ("pydantic", "msgspec", "orjson", "google-cloud-pubsub")
    peer_versions = dict(line.split("==") for line in PEERS_REQUIREMENTS.read_text().splitlines()) if peers else {}
    goals = [*_latency_goals(calls), *_other_goals(calls, hosts, drained, remembered, lost)]
    click.echo(str(write("capture", "Capture", tables, goals, packages=packages, peers=peer_versions)))


def _latency_goals(calls: Rows) -> list[Goal]:
    by_name = {row["calls"]: row for row in calls}
    bare, ours = by_name[FLOOR], by_name[OURS]
    goals = []
    for state in STATES:
        for percentile, limit in (("p50", 3.0), ("p99", 2.0)):
            ratio = ours[f"{state} {percentile} µs"] / bare[f"healthy {percentile} µs"]
            goals.append(
                Goal(
                    f"track's {percentile}, {state}, as a multiple of the floor's",
                    limit,
                    round(ratio, 2),
                    ratio <= limit,
                )
            )
    for state in STATES:
        for percentile in ("p50", "p99"):
            column = f"{state} {percentile} µs"
            rivals = [by_name[peer][column] for peer in PEERS if peer in by_name]
            if percentile == "p50" and _OTEL in by_name:
                rivals.remove(by_name[_OTEL][column])
            if rivals:
                best = min(rivals)
                name = "every peer" if percentile == "p99" else "every analytics SDK and the Pub/Sub client"
                goals.append(
                    Goal(f"{percentile}, {state}, ahead of {name}, µs", best, ours[column], ours[column] < best)
                )
    return goals


def _other_goals(calls: Rows, hosts: Rows, drained: Rows, remembered: Rows, lost: Rows) -> list[Goal]:
    flat = next(row["flat out, calls/s"] for row in calls if row["calls"] == OURS_OFF)
    more = next(row["more than none, %"] for row in hosts if row["one capture a request"] == OURS)
    rate = drained[0]["events/s"]
    growth, gone = remembered[0]["resident growth, MB"], remembered[0]["lost"]
    losing = sum(int(str(row[OURS]).split(" ", 1)[0].replace(",", "")) for row in lost)
    return [
        Goal("events a second of one thread, flat out", 100_000, flat, flat >= 100_000),
        Goal("CPU a request more than without capture, %", 5.0, more, more <= 5),
        Goal("events a second drained into the stub", 50_000, rate, rate >= 50_000),
        Goal("resident growth over a million events, MB", 20.0, growth, growth <= 20),
        Goal("of that million lost", 0, gone, gone == 0),
        Goal("events lost, over all scenarios", 0, losing, losing == 0),
    ]


def _with(peers: bool) -> bool:
    if peers and not PEERS_PYTHON.exists():
        raise click.ClickException(
            f"{PEERS_PYTHON} is not there: `make peers` installs the peers, --no-peers leaves them"
        )
    return peers


def _print(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        click.echo("  ".join(f"{name}={value}" for name, value in row.items() if value != ""))
    say("done")


if __name__ == "__main__":
    cli()
