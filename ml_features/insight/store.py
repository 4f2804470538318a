"""Insights that were written before, in the warehouse."""

import logging
from datetime import datetime
from typing import Protocol

from google.cloud import bigquery

from shopstream.schemas import Unavailable
from shopstream.schemas.warehouse import WRITTEN_INSIGHTS, dataset_id
from shopstream.schemas.written_insight import WrittenInsight

from ..settings import FeatureSettings
from ..warehouse import Parameter, Refused, ask, insert_rows

logger = logging.getLogger(__name__)

_FOUND = """
SELECT document FROM written_insights
WHERE written_at >= TIMESTAMP_SUB(@now, INTERVAL 30 DAY) AND `key` = @key
ORDER BY written_at DESC
LIMIT 1
"""
_SPENT = "SELECT IFNULL(SUM(cost), 0.0) AS cost FROM written_insights WHERE written_at >= TIMESTAMP(DATE(@now))"


class Store(Protocol):
    """Keeps what was written."""

    def found(self, key: str, now: datetime, /) -> str | None:
        """The document written last under this key, if any."""

    def keep(self, insight: WrittenInsight, /) -> None:
        """Add one."""

    def spent(self, now: datetime, /) -> float:
        """US dollars that what was written on this day did cost."""


class WarehouseStore:
    """Those in the table `written_insights`.

    Raises:
        Unavailable: BigQuery does not answer.
    """

    def __init__(self, client: bigquery.Client, settings: FeatureSettings) -> None:
        self._client, self._settings = client, settings

    def found(self, key: str, now: datetime) -> str | None:
        """The document written last under this key, if any."""
        asked = [Parameter("key", "STRING", key), Parameter("now", "TIMESTAMP", now)]
        return next((str(row["document"]) for row in ask(self._client, self._settings, _FOUND, asked)), None)

    def keep(self, insight: WrittenInsight) -> None:
        """Add one; where it cannot be kept, the same will be written again."""
        place = f"{dataset_id(self._settings, WRITTEN_INSIGHTS.table.dataset)}.{WRITTEN_INSIGHTS.table.name}"
        try:
            insert_rows(self._client, place, [insight.model_dump(mode="json")])
        except (Unavailable, Refused) as error:
            logger.warning("an insight was written and is not kept: %s", error)

    def spent(self, now: datetime) -> float:
        """US dollars that what was written on this day did cost."""
        return float(ask(self._client, self._settings, _SPENT, [Parameter("now", "TIMESTAMP", now)])[0]["cost"])
