"""Rules that say when data is good: what each event type promises of its fields, and what holds for every table.

A rule is a statement that gives one number, `value`, and the least or the most it may be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .envelope import Event
from .events import EVENT_TYPES, LEDGER_ENTRY
from .field_rules import InRange, RefersTo, RequiredShare
from .quality_result import ThresholdSource, Verdict
from .warehouse import FAILED_TABLE, RAW_TABLES

_DAY = "received_at >= TIMESTAMP_SUB(@now, INTERVAL 1 DAY) AND received_at < @now"
_TWO_DAYS = "received_at >= TIMESTAMP_SUB(@now, INTERVAL 2 DAY) AND received_at < @now"


@dataclass(frozen=True)
class Rule:
    """One thing that must hold."""

    name: str
    meaning: str
    """What the value is."""
    statement: str
    """Gives one row with `value`; `{raw}`, `{failed}` and `{views}` stand for datasets, @now is the moment."""
    least: float | None = None
    most: float | None = None
    is_learnable: bool = False
    """Whether earlier results may say what is usual."""
    threshold: ThresholdSource = "default"

    def verdict(self, value: float | None) -> Verdict:
        """What the value means."""
        if value is None:
            return "unknown"
        is_good = (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
        return "ok" if is_good else "breach"

    def within(self, least: float | None, most: float | None, threshold: ThresholdSource) -> "Rule":
        """The rule with other bounds."""
        return replace(self, least=least, most=most, threshold=threshold)


def _field_rules(event_type: str, model: type[Event]) -> Iterator[Rule]:
    table = f"`{{raw}}.{RAW_TABLES[event_type].table.name}`"
    for rule in model.quality:
        name = f"{event_type}.{rule.field}"
        match rule:
            case RequiredShare():
                yield Rule(
                    f"required_share.{name}",
                    f"share of the last day's {event_type} events that have {rule.field}",
                    f"SELECT SAFE_DIVIDE(COUNTIF({rule.field} IS NOT NULL), COUNT(*)) AS value "  # noqa: S608
                    f"FROM {table} WHERE {_DAY}",
                    least=rule.least,
                    is_learnable=True,
                )
            case InRange():
                yield Rule(
                    f"in_range.{name}",
                    f"share of the last day's {rule.field} from {rule.low:g} to {rule.high:g}",
                    f"SELECT SAFE_DIVIDE(COUNTIF({rule.field} BETWEEN {rule.low} AND {rule.high}), "  # noqa: S608
                    f"COUNTIF({rule.field} IS NOT NULL)) AS value FROM {table} WHERE {_DAY}",
                    least=rule.least,
                )
            case RefersTo():
                there = f"`{{raw}}.{RAW_TABLES[rule.event_type].table.name}`"
                yield Rule(
                    f"refers_to.{name}",
                    f"share of the last day's {rule.field} for which there is a {rule.event_type}",
                    f"WITH named AS (SELECT DISTINCT {rule.field} AS id FROM {table} "  # noqa: S608
                    f"WHERE {_DAY} AND {rule.field} IS NOT NULL),\n"
                    f"known AS (SELECT DISTINCT {rule.field} AS id FROM {there} WHERE {_TWO_DAYS})\n"
                    "SELECT SAFE_DIVIDE(COUNT(known.id), COUNT(*)) AS value FROM named "
                    "LEFT JOIN known ON named.id = known.id",
                    least=rule.least,
                    is_learnable=True,
                )


def _table_rules(event_type: str) -> Iterator[Rule]:
    table = f"`{{raw}}.{RAW_TABLES[event_type].table.name}`"
    yield Rule(
        f"freshness.{event_type}",
        f"minutes since the last {event_type} event arrived, of those of the last week",
        "SELECT TIMESTAMP_DIFF(@now, MAX(received_at), SECOND) / 60 AS value "  # noqa: S608
        f"FROM {table} WHERE received_at >= TIMESTAMP_SUB(@now, INTERVAL 7 DAY) AND received_at <= @now",
        most=24 * 60,
        is_learnable=True,
    )
    yield Rule(
        f"duplicates.{event_type}",
        f"share of the last day's {event_type} rows that repeat an event; views show each once",
        f"SELECT 1 - SAFE_DIVIDE(COUNT(DISTINCT event_id), COUNT(*)) AS value FROM {table} WHERE {_DAY}",  # noqa: S608
        most=0.1,
        is_learnable=True,
    )
    hours = ", ".join(str(168 * week) for week in range(1, 5))
    yield Rule(
        f"volume.{event_type}",
        f"{event_type} events of the last hour, divided by the mean of the same hour in up to four earlier weeks",
        "SELECT SAFE_DIVIDE(\n"  # noqa: S608
        "  COUNTIF(received_at >= TIMESTAMP_SUB(@now, INTERVAL 1 HOUR)),\n"
        "  SAFE_DIVIDE(COUNTIF(received_at < TIMESTAMP_SUB(@now, INTERVAL 1 HOUR)),\n"
        "    COUNT(DISTINCT IF(received_at < TIMESTAMP_SUB(@now, INTERVAL 1 HOUR), DATE(received_at), NULL)))\n"
        f") AS value FROM {table}\n"
        "WHERE received_at >= TIMESTAMP_SUB(@now, INTERVAL 673 HOUR) AND received_at < @now\n"
        f"AND DIV(TIMESTAMP_DIFF(@now, received_at, SECOND), 3600) IN (0, {hours})",
        least=0.3,
        most=5,
        is_learnable=True,
    )


def _rules_of_all() -> Iterator[Rule]:
    stored = "\n  UNION ALL ".join(
        f"SELECT 0 AS failed FROM `{{raw}}.{table.table.name}` WHERE {_DAY}"  # noqa: S608
        for name, table in RAW_TABLES.items()
        if name != LEDGER_ENTRY
    )
    yield Rule(
        "failed_share",
        "share of the last day's events that failed",
        f"SELECT SAFE_DIVIDE(SUM(failed), COUNT(*)) AS value FROM (\n  {stored}\n"  # noqa: S608
        f"  UNION ALL SELECT 1 AS failed FROM `{{failed}}.{FAILED_TABLE.table.name}` WHERE {_DAY}\n)",
        most=0.01,
        is_learnable=True,
    )
    yield Rule(
        "captured_and_not_stored",
        "events that capture processes of the last week numbered and that are in no table, of closed ones",
        "SELECT SUM(missing) AS value FROM `{views}.ledger_balance` "
        "WHERE closed AND last_at >= TIMESTAMP_SUB(@now, INTERVAL 7 DAY)",
        most=0,
    )


def _every_rule() -> Iterator[Rule]:
    for event_type, model in EVENT_TYPES.items():
        yield from _field_rules(event_type, model)
        if event_type not in ("product", "consent", "voice"):
            # The others come when they come.
            yield from _table_rules(event_type)
    yield from _rules_of_all()


RULES: Mapping[str, Rule] = {rule.name: rule for rule in _every_rule()}
"""Every rule by its name."""
