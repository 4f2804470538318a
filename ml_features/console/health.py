"""Is the pipeline well: arrivals, lag, failures, quality, alerts, cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request, Response

from ..warehouse import Parameter, Row
from .console import Console

HOURS = 3
_ARRIVALS = """
SELECT minute, event_type, fate, row_count, p99_ms
FROM `{views}.arrivals`
WHERE minute >= @since
ORDER BY minute, event_type"""
_FAILURES = """
SELECT stage, reason, field, events, last_at
FROM `{views}.open_failures`
ORDER BY events DESC, stage, reason, field
LIMIT 100"""
_QUALITY = """
SELECT rule, verdict, value, least, most, threshold, checked_at, job
FROM `{ops}.quality_results`
WHERE checked_at >= @since
QUALIFY ROW_NUMBER() OVER (PARTITION BY rule ORDER BY checked_at DESC) = 1
ORDER BY CASE verdict WHEN 'breach' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END, rule"""
_INSTRUCTIONS = """
SELECT instructions.asked_at, instructions.kind, instructions.key_name, instructions.reason,
  instructions.failed_stage, instructions.failed_reason, instructions.failed_field,
  outcomes.ended_at, outcomes.status, outcomes.detail
FROM `{privacy}.instructions` AS instructions
LEFT JOIN `{privacy}.instruction_outcomes` AS outcomes
  ON outcomes.instruction_id = instructions.instruction_id AND outcomes.ended_at >= @since
WHERE instructions.asked_at >= @since AND instructions.kind = 'replay'
ORDER BY instructions.asked_at DESC
LIMIT 20"""
_ALERTS = """
SELECT
  alert_id, rule, subject, severity, text,
  MIN(IF(step = 'opened', occurred_at, NULL)) AS opened_at,
  MIN(IF(step = 'told', occurred_at, NULL)) AS told_at,
  MAX(IF(step = 'ended', occurred_at, NULL)) AS ended_at,
  STRING_AGG(DISTINCT channel, ', ') AS channels
FROM `{ops}.alerts`
WHERE occurred_at >= @since
GROUP BY alert_id, rule, subject, severity, text
ORDER BY opened_at DESC
LIMIT 200"""
_COST = """
SELECT estimated_at, service, table_name, what, dollars, users
FROM `{ops}.cost_estimates`
WHERE estimated_at >= @since
QUALIFY estimated_at = MAX(estimated_at) OVER ()
ORDER BY dollars DESC, service, table_name"""


class Health:
    """The pages about the pipeline itself."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def health(self, request: Request) -> Response:
        """Arrivals by minute, failures, what is broken."""
        figures = await self._console.read(
            "health",
            {
                "arrivals": lambda: _minutes(self._since(_ARRIVALS, timedelta(hours=HOURS)), self._now()),
                "failures": lambda: self._console.ask(_FAILURES),
                "quality": lambda: self._since(_QUALITY, timedelta(days=7)),
                "replays": lambda: self._since(_INSTRUCTIONS, timedelta(days=7)),
                "alerts": lambda: self._since(_ALERTS, timedelta(days=7)),
            },
        )
        return self._console.show(request, "health.html", {"title": "Health", "hours": HOURS, **figures})

    async def quality(self, request: Request) -> Response:
        """What every rule said last."""
        figures = await self._console.read("quality", {"quality": lambda: self._since(_QUALITY, timedelta(days=7))})
        return self._console.show(request, "quality.html", {"title": "Data quality", **figures})

    async def alerts(self, request: Request) -> Response:
        """What is open, and what was."""
        figures = await self._console.read("alerts", {"alerts": lambda: self._since(_ALERTS, timedelta(days=30))})
        return self._console.show(request, "alerts.html", {"title": "Alerts", **figures})

    async def cost(self, request: Request) -> Response:
        """What a month costs, by the latest estimate."""
        figures = await self._console.read("cost", {"cost": lambda: self._since(_COST, timedelta(days=35))})
        return self._console.show(request, "cost.html", {"title": "Cost", **figures})

    def _now(self) -> datetime:
        return self._console.desk.clock.now()

    def _since(self, statement: str, back: timedelta) -> list[Row]:
        return self._console.ask(statement, Parameter("since", "TIMESTAMP", self._now() - back))


def _minutes(rows: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Rows by minute as lines to draw, with a 0 for each minute without any; and what they come to."""
    last = now.replace(second=0, microsecond=0)
    minutes = [last - timedelta(minutes=back) for back in range(HOURS * 60, -1, -1)]
    types = sorted({row["event_type"] for row in rows if row["fate"] == "stored"})
    counts = {(row["fate"], row["event_type"], row["minute"]): row["row_count"] for row in rows}
    stored: Counter[str] = Counter()
    for row in rows:
        stored[row["fate"]] += row["row_count"]
    arrived = [row["minute"] for row in rows if row["fate"] == "stored"]
    return {
        "types": types,
        "lines": [
            {
                "minute": minute,
                "counts": [counts.get(("stored", name, minute), 0) for name in types],
                "failed": counts.get(("failed", "any", minute), 0),
            }
            for minute in minutes
        ],
        "stored": stored["stored"],
        "most_a_second": max(
            (sum(counts.get(("stored", name, minute), 0) for name in types) for minute in minutes), default=0
        )
        / 60,
        "failed": stored["failed"],
        "last_at": max(arrived, default=None),
        "p99_ms": max((max(row["p99_ms"], 0) for row in rows if row["p99_ms"] is not None), default=None),
    }
