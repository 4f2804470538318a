"""What a month costs at the volumes of the last days, by service and table: an estimate from list prices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from google.cloud import bigquery

from shopstream.schemas.cost_estimate import CostEstimate
from shopstream.schemas.envelope import RAW_EXPIRY_DAYS
from shopstream.schemas.warehouse import COST_ESTIMATES, RAW_TABLES, raw_table_id

from .options import PipelineSettings
from .warehouse import ask, store_records, timestamp

DAYS_A_MONTH = 30
BRIEF_USERS, BRIEF_DOLLARS = 50, 5.0
"""About five dollars a month for twenty to fifty users was what the pipeline was allowed to cost."""
_GIB, _MIB = 2.0**30, 2.0**20
_SAMPLE = 1_000
"""So many rows of a table tell how long its rows are."""


@dataclass(frozen=True)
class Prices:
    """List prices in US dollars, without taxes, discounts and free allowances."""

    looked_at: date = date(2026, 11, 21)
    pubsub_tib: float = 40.0
    """Each TiB published, and each delivered."""
    streaming_inserts_200_mib: float = 0.01
    """At least 1 kB a row."""
    storage_write_gib: float = 0.025
    storage_gib_month: float = 0.02
    query_tib: float = 6.25
    dataflow_worker_month: float = 60.0
    """One small streaming worker, on all month: 1 vCPU, 4 GB."""


PACKED_SHARE = 82 / 491
"""Bytes of a packed message of what its events have as JSON: docs/cost.md."""
ROW_SHARE = 252 / 491
"""Bytes BigQuery counts of a row, of its event as JSON: docs/cost.md."""


@dataclass(frozen=True)
class Volume:
    """What one table took."""

    table: str
    events_a_day: float
    event_bytes: float
    """Mean length of a row as JSON."""
    growth: float | None
    """By how much it took more than in as many days before: 0.1 is ten percent; None where there was nothing."""


@dataclass(frozen=True)
class Item:
    """One line of the estimate."""

    service: str
    table: str | None
    what: str
    dollars: float
    """A month."""


@dataclass(frozen=True)
class Estimate:
    """A month at these volumes."""

    items: tuple[Item, ...]
    users: int
    """Different known users of the days looked at."""
    growth: float | None
    """Of all events together, from as many days before."""
    prices: Prices
    days: int

    @property
    def dollars(self) -> float:
        """All of it."""
        return sum(item.dollars for item in self.items)

    @property
    def variable_dollars(self) -> float:
        """What grows with the events: all but the worker that runs in any case."""
        return sum(item.dollars for item in self.items if item.table is not None)


def estimate(volumes: Sequence[Volume], users: int, settings: PipelineSettings, days: int, prices: Prices) -> Estimate:
    """The month's cost of these volumes."""
    items = [item for volume in volumes for item in _items(volume, settings, prices)]
    if settings.bigquery_emulator_host is None:
        items.append(Item("Dataflow", None, "one small worker, on all month", prices.dataflow_worker_month))
    before = sum(volume.events_a_day / (1 + volume.growth) for volume in volumes if volume.growth is not None)
    now = sum(volume.events_a_day for volume in volumes)
    return Estimate(tuple(items), users, now / before - 1 if before else None, prices, days)


def _items(volume: Volume, settings: PipelineSettings, prices: Prices) -> Iterator[Item]:
    events = volume.events_a_day * DAYS_A_MONTH
    sent = events * volume.event_bytes * PACKED_SHARE
    yield Item("Pub/Sub", volume.table, "published and delivered, packed", 2 * sent / _GIB / 1024 * prices.pubsub_tib)
    stored = events * volume.event_bytes * ROW_SHARE
    if settings.bigquery_write_method == "storage_write":
        yield Item("BigQuery", volume.table, "Storage Write API", stored / _GIB * prices.storage_write_gib)
    else:
        inserted = events * max(1024.0, volume.event_bytes * ROW_SHARE)
        cost = inserted / (200 * _MIB) * prices.streaming_inserts_200_mib
        yield Item("BigQuery", volume.table, "streaming inserts", cost)
    kept = volume.events_a_day * RAW_EXPIRY_DAYS * volume.event_bytes * ROW_SHARE
    yield Item(
        "BigQuery", volume.table, "storage of 90 days, raw and stable", 2 * kept / _GIB * prices.storage_gib_month
    )
    # Closing a day and the hourly jobs read a week of rows about once a day; what people ask comes on top.
    read = volume.events_a_day * 7 * volume.event_bytes * ROW_SHARE * DAYS_A_MONTH
    yield Item("BigQuery", volume.table, "jobs that read a week every day", read / _GIB / 1024 * prices.query_tib)


def measure(client: bigquery.Client, settings: PipelineSettings, now: datetime, days: int) -> tuple[list[Volume], int]:
    """What each raw table took in the last days, and how many known users there were.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    volumes = [_volume(client, raw_table_id(settings, event_type), now, days) for event_type in RAW_TABLES]
    statement = "\nUNION DISTINCT\n".join(
        f"SELECT user_id FROM `{raw_table_id(settings, event_type)}` "  # noqa: S608 - our own names
        "WHERE received_at >= @since AND user_id IS NOT NULL"
        for event_type in RAW_TABLES
    )
    (row,) = ask(
        client,
        f"SELECT COUNT(*) AS users FROM ({statement})",  # noqa: S608 - as above
        "the users",
        [timestamp("since", now - timedelta(days=days))],
    )
    return volumes, row["users"]


def _volume(client: bigquery.Client, table: str, now: datetime, days: int) -> Volume:
    since, before = now - timedelta(days=days), now - timedelta(days=2 * days)
    (row,) = ask(
        client,
        "SELECT COUNTIF(received_at >= @since) AS lately, COUNTIF(received_at < @since) AS earlier "  # noqa: S608
        f"FROM `{table}` WHERE received_at >= @before AND received_at < @now",
        table,
        [timestamp("since", since), timestamp("before", before), timestamp("now", now)],
    )
    (sample,) = ask(
        client,
        "SELECT AVG(LENGTH(TO_JSON_STRING(sample))) AS mean_bytes FROM (\n"  # noqa: S608
        f"  SELECT * FROM `{table}` WHERE received_at >= @since AND received_at < @now LIMIT {_SAMPLE}\n) AS sample",
        table,
        [timestamp("since", since), timestamp("now", now)],
    )
    growth = row["lately"] / row["earlier"] - 1 if row["earlier"] else None
    return Volume(table.rpartition(".")[2], row["lately"] / days, float(sample["mean_bytes"] or 0), growth)


def keep_estimate(client: bigquery.Client, settings: PipelineSettings, found: Estimate, now: datetime) -> None:
    """Write the estimate into its table.

    Raises:
        Unavailable: BigQuery does not answer, or refuses the lines.
    """
    lines = {
        f"{now.isoformat()}/{number}": CostEstimate(
            estimated_at=now,
            service=item.service,
            table_name=item.table,
            what=item.what,
            dollars=item.dollars,
            users=found.users,
            days=found.days,
        )
        for number, item in enumerate(found.items)
    }
    store_records(client, settings, COST_ESTIMATES, lines)


def estimate_lines(found: Estimate, budget: float | None) -> list[str]:
    """The estimate for people: by service and table, then what it means."""
    lines = [f"{'$ a month':>10}  service"]
    for (service, what), dollars in _by(found.items).items():
        lines.append(f"{dollars:>10.2f}  {service}: {what}")
        lines += [
            f"{item.dollars:>10.4f}      {item.table}"
            for item in found.items
            if (item.service, item.what) == (service, what) and item.table and item.dollars
        ]
    lines.append(
        f"{found.dollars:>10.2f}  in all, at the list prices of {found.prices.looked_at}, of {found.days} days"
    )
    if found.users:
        lines.append(
            f"{found.variable_dollars / found.users * BRIEF_USERS:>10.2f}  for {BRIEF_USERS} users at what "
            f"{found.users:,} users do now, without the worker; the brief allows about {BRIEF_DOLLARS:.0f}"
        )
    if found.growth is not None:
        lines.append(f"{found.growth:>+10.0%}  events, beside the {found.days} days before")
    if budget is not None:
        state = "over" if found.dollars > budget else "within"
        lines.append(f"{budget:>10.2f}  is MONTHLY_BUDGET: {state} it")
    return lines


def _by(items: Sequence[Item]) -> Mapping[tuple[str, str], float]:
    totals: dict[tuple[str, str], float] = {}
    for item in items:
        totals[item.service, item.what] = totals.get((item.service, item.what), 0.0) + item.dollars
    return totals
