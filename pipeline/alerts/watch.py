"""One look at everything: find, note, tell, note what was told."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from google.cloud import bigquery

from shopstream.schemas import Unavailable
from shopstream.schemas.alert import AlertChannel, AlertStep
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import ALERTS, dataset_id

from ..options import PipelineSettings
from ..warehouse import ask, store_records, timestamp
from .find import find
from .plan import REMEMBERED, plan
from .rules import AlertRules
from .tell import Channel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What one look came to."""

    found: int
    opened: int
    ended: int
    told: int
    """Messages that a channel took."""
    untold: int
    """Messages that a channel did not take; the next look tries again."""
    waiting: int
    """Alerts held back by quiet hours, or because their rule has told enough."""


def look(
    client: bigquery.Client,
    settings: PipelineSettings,
    rules: AlertRules,
    channels: Mapping[AlertChannel, Channel],
    now: datetime,
) -> Look:
    """Look once. A message is noted as told after it was taken: broken off between, it is sent again, by the same id.

    Raises:
        Unavailable: BigQuery does not answer.
        SettingsError: A rule of the file fits nothing.
    """
    findings = list(find(client, settings, rules, now))
    made = plan(_steps(client, settings, now), findings, rules, list(channels), now)
    _note(client, settings, made.steps)
    told = 0
    for message in made.messages:
        try:
            channels[message.channel].send(message)
        except Unavailable as error:
            logger.warning("an alert was not told", extra={"rule": message.rule, "why": str(error)})
            continue
        told += 1
        _note(client, settings, message.told(now))
    return Look(
        found=len(findings),
        opened=sum(step.step == "opened" for step in made.steps),
        ended=sum(step.step == "ended" for step in made.steps),
        told=told,
        untold=len(made.messages) - told,
        waiting=made.waiting,
    )


def _steps(client: bigquery.Client, settings: PipelineSettings, now: datetime) -> list[AlertStep]:
    place = _place(settings)
    statement = f"SELECT * FROM `{place}` WHERE occurred_at >= @since"  # noqa: S608 - our own name
    return [
        AlertStep.model_validate(row) for row in ask(client, statement, place, [timestamp("since", now - REMEMBERED)])
    ]


def _note(client: bigquery.Client, settings: PipelineSettings, steps: Sequence[AlertStep]) -> None:
    by_row_id = {f"{step.alert_id}/{step.step}/{step.channel or ''}": step for step in steps}
    store_records(client, settings, ALERTS, by_row_id)


def _place(settings: PipelineSettings) -> str:
    return f"{dataset_id(settings, Dataset.OPS)}.{ALERTS.table.name}"
