"""What a rate of events needs, as arithmetic: the table of docs/scale.md, and the same for your own rate.

Example: python -m deploy.capacity 2500
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2

from shopstream.pipeline.cost import Prices
from shopstream.pipeline.visits import REMEMBERED
from shopstream.schemas.envelope import RAW_EXPIRY_DAYS

RATES = (10_000, 100_000, 1_000_000)
_DAY_SECONDS, _HOUR_SECONDS = 86_400, 3_600
_FIGURES = re.compile(r"(?<=<!-- figures: make docs -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Given:
    """What the arithmetic starts from. Measured ones are of this project's benchmarks; the others are assumptions."""

    json_bytes: float = 491
    """An event as JSON: docs/cost.md."""
    packed_bytes: float = 82
    """Its share of a packed message: docs/cost.md."""
    row_bytes: float = 252
    """Its row as BigQuery counts it: docs/cost.md."""
    id_bytes: float = 38
    """An event_id as BigQuery counts it: 36 characters and 2."""
    events_a_message: float = 500
    """CAPTURE_MESSAGE_EVENTS."""
    events_a_writer: float = 10_000
    """Assumed: a second, of one capture process. One thread was measured at ten times that and does nothing else."""
    spool_bytes: float = 2**30
    """CAPTURE_SPOOL_MAX_BYTES."""
    events_a_vcpu: float = 10_000
    """Assumed: a second, of one worker, open visits left out: a fifth of what two cores did here without a network."""
    events_a_visitor: float = 10
    """Assumed: within the three hours for which the job remembers a visitor."""
    visitor_bytes: float = 110
    """State of a remembered visitor: make bench-scale."""
    visitor_microseconds: float = 2.9
    """To read and write it once, in a shard of ten thousand: make bench-scale."""
    bundles_a_shard: float = 1
    """Assumed: a second. Each reads and writes all visitors of its shard."""
    shard_bytes: float = 2e6
    """Chosen: state of a shard, so that a bundle spends some 30 ms on it."""
    most_shards: float = 65_536
    """VISIT_SHARDS at most."""
    largest_share: float = 0.6
    """Of all events, those of the largest table: the benchmark's clicks."""
    rows_a_stream: float = 5_000
    """Assumed: a second, of one write stream: a thousand rows a request, five answers a second."""
    storage_write_bytes: float = 3e9
    """Quota a second in EU and US."""
    insert_rows: float = 100_000
    """Quota of streaming inserts a second and project."""
    events_a_user_day: float = 50
    """Assumed: of one user who came that day."""
    user_bytes: float = 29_000
    """In Redis: nine views, lists of twenty, two versions; one measurement, told in docs/scale.md."""
    reads_an_event: float = 0.3
    """Assumed: requests to the API, one a search."""
    reads_an_instance: float = 500
    """A second, at 5 ms p99: make bench-serving."""


def visitors(rate: float, given: Given) -> float:
    """Whom the job remembers at a time."""
    return rate * REMEMBERED.total_seconds() / given.events_a_visitor


def shards(rate: float, given: Given) -> int:
    """VISIT_SHARDS: a power of two that keeps a shard's state small, or the most there can be."""
    needed = visitors(rate, given) * given.visitor_bytes / given.shard_bytes
    return int(min(2 ** ceil(log2(max(needed, 64))), given.most_shards))


def state_visits(rate: float, given: Given) -> float:
    """How many visitors are read and written a second: all of a shard for each of its bundles."""
    count = shards(rate, given)
    bundles = min(given.bundles_a_shard * count, rate)
    return bundles * visitors(rate, given) / count


def streams(rate: float, given: Given) -> int:
    """BIGQUERY_STREAMS_PER_TABLE: as many as the largest table needs."""
    return max(4, ceil(rate * given.largest_share / given.rows_a_stream))


def users(rate: float, given: Given) -> float:
    """Who came in a day."""
    return rate * _DAY_SECONDS / given.events_a_user_day


def kept_rows(rate: float) -> float:
    """Rows of the raw tables."""
    return rate * _DAY_SECONDS * RAW_EXPIRY_DAYS


def closing_bytes(rate: float, given: Given) -> float:
    """What `close-days` reads a night: ids and days of all raw rows, ids of all stable rows twice, one day whole."""
    ids = kept_rows(rate) * (given.id_bytes + 8 + 2 * given.id_bytes)
    return ids + rate * _DAY_SECONDS * given.row_bytes


_Row = Callable[[float, Given], str]
ROWS: Mapping[str, _Row] = {
    "Pub/Sub, messages a second": lambda rate, given: f"{rate / given.events_a_message:,.0f}",
    "Pub/Sub, packed": lambda rate, given: _size(rate * given.packed_bytes, "/s"),
    "capture processes": lambda rate, given: f"{ceil(rate / given.events_a_writer):,}",
    "spools for an hour's outage, all together": lambda rate, given: _size(rate * given.json_bytes * _HOUR_SECONDS),
    "the default spool of 1 GiB holds": lambda rate, given: _minutes(
        given.spool_bytes / (min(rate, given.events_a_writer) * given.json_bytes)
    ),
    "Dataflow: vCPU for events": lambda rate, given: f"{ceil(rate / given.events_a_vcpu):,}",
    "visitors remembered": lambda rate, given: f"{visitors(rate, given) / 1e6:,.0f} million",
    "`VISIT_SHARDS`": lambda rate, given: f"{shards(rate, given):,}",
    "state of a shard": lambda rate, given: _size(visitors(rate, given) * given.visitor_bytes / shards(rate, given)),
    "vCPU for visits": lambda rate, given: f"{state_visits(rate, given) * given.visitor_microseconds / 1e6:,.0f}",
    "state written": lambda rate, given: _size(state_visits(rate, given) * given.visitor_bytes, "/s"),
    "the same with a visitor as key": lambda rate, given: _size(rate * given.visitor_bytes, "/s"),
    "streaming inserts, of their quota": lambda rate, given: f"{rate / given.insert_rows:,.0%}",
    "Storage Write API": lambda rate, given: _size(rate * given.row_bytes, "/s"),
    "of its quota in EU and US": lambda rate, given: f"{rate * given.row_bytes / given.storage_write_bytes:.2%}",
    "`BIGQUERY_STREAMS_PER_TABLE`": lambda rate, given: f"{streams(rate, given):,}",
    "90 days, raw and stable": lambda rate, given: _size(2 * kept_rows(rate) * given.row_bytes),
    "a night's `close-days` reads": lambda rate, given: _read(closing_bytes(rate, given)),
    "a look at a view reads at least": lambda rate, given: _read(kept_rows(rate) * given.id_bytes),
    "users a day": lambda rate, given: f"{users(rate, given) / 1e6:,.0f} million",
    "Redis for them": lambda rate, given: _size(users(rate, given) * given.user_bytes),
    "API instances": lambda rate, given: f"{ceil(rate * given.reads_an_event / given.reads_an_instance):,}",
}
"""What is needed, by what it is called; in the order of an event's way."""


def table(rates: Sequence[float], given: Given) -> list[str]:
    """The lines of a table with a column a rate."""
    return [
        f"| | {' | '.join(f'{rate:,.0f} events/s' for rate in rates)} |",
        f"|---|{'---|' * len(rates)}",
        *(f"| {name} | {' | '.join(row(rate, given) for rate in rates)} |" for name, row in ROWS.items()),
    ]


def with_figures(page: str) -> str:
    """The page with its table as it is now.

    Raises:
        ValueError: The page has no place for it.
    """
    if not _FIGURES.search(page):
        raise ValueError("docs/scale.md lacks the comments between which its figures stand")
    text = "\n".join(table(RATES, Given())) + "\n"
    return _FIGURES.sub(lambda _: text, page)


def _size(count: float, a_while: str = "") -> str:
    power = min(int(log2(max(count, 1)) / log2(1000)), 5)
    return f"{count / 1000**power:,.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}{a_while}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes"


def _read(count: float) -> str:
    return f"{_size(count)}, ${count / 2**40 * Prices().query_tib:,.0f}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(table([float(rate) for rate in sys.argv[1:]] or RATES, Given())) + "\n")
