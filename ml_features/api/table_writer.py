"""Keeps rows beside the requests they are of: an answer waits for no table."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from google.cloud import bigquery
from pydantic import BaseModel

from shopstream.schemas import CloudSettings, SettingsError, Unavailable
from shopstream.schemas.warehouse import WarehouseTable, dataset_id

from ..warehouse import Refused, insert_rows

logger = logging.getLogger(__name__)

ROWS_A_REQUEST = 500
MOST_WAITING = 100_000
"""So many rows wait for the warehouse; beyond that each goes to the log, where it can be found again."""
PAUSE_SECONDS = 1.0


class TableWriter:
    """Writes rows into a table from a thread of its own, at least once a second.

    What the table does not take, has no room to wait, or waits still at the end, is a line in the log.
    """

    def __init__(self, client: bigquery.Client, settings: CloudSettings, table: WarehouseTable) -> None:
        self._client, self.table = client, table
        self._place = f"{dataset_id(settings, table.table.dataset)}.{table.table.name}"
        self._waiting: deque[BaseModel] = deque()
        self._stop = threading.Event()
        self._logged = 0
        self._thread = threading.Thread(target=self._run, name=f"shopstream-{table}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that are not in their table yet."""
        return len(self._waiting)

    @property
    def logged(self) -> int:
        """Rows that went to the log instead."""
        return self._logged

    def note(self, row: BaseModel) -> None:
        """Keep it, later."""
        if len(self._waiting) >= MOST_WAITING:
            self._log([row], "too many wait")
        else:
            self._waiting.append(row)

    def close(self) -> None:
        """Write what waits, or log it."""
        self._stop.set()
        self._thread.join()
        self._log([self._waiting.popleft() for _ in range(len(self._waiting))], "the process ends")

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(PAUSE_SECONDS)
            while self._waiting and self._write():
                pass

    def _write(self) -> bool:
        some = [self._waiting[place] for place in range(min(len(self._waiting), ROWS_A_REQUEST))]
        try:
            insert_rows(self._client, self._place, [row.model_dump(mode="json") for row in some])
        except Unavailable as error:
            logger.warning("rows of %s wait: %s", self.table, error)
            return False
        except (Refused, SettingsError) as error:
            self._log(some, str(error))
        for _ in some:
            self._waiting.popleft()
        return True

    def _log(self, rows: Sequence[BaseModel], why: str) -> None:
        for row in rows:
            line: dict[str, Any] = row.model_dump(mode="json")
            logger.error("a row is not in its table %s: %s", self.table, why, extra={"row": line})
        self._logged += len(rows)
