"""Whether every number a writer gave has arrived: captured = stored + failed + erased + skipped + dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from google.cloud import bigquery

from shopstream.schemas import CloudSettings
from shopstream.schemas.table import Dataset
from shopstream.schemas.views import BALANCE_VIEW
from shopstream.schemas.warehouse import dataset_id

from .warehouse import ask


@dataclass(frozen=True)
class WriterBalance:
    """One row of the view; see docs/ledger.md."""

    writer_id: str
    source: str
    last_at: datetime
    numbered: int
    stored: int
    failed: int
    erased: int
    skipped: int
    dropped: int
    missing: int
    closed: bool

    @property
    def is_lost(self) -> bool:
        """True where something is missing and nothing more will come from the writer."""
        return self.closed and self.missing > 0


def balance(client: bigquery.Client, settings: CloudSettings) -> list[WriterBalance]:
    """Every writer there is an entry or an event of, the latest last.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    columns = ", ".join(WriterBalance.__dataclass_fields__)
    view = f"{dataset_id(settings, Dataset.VIEWS)}.{BALANCE_VIEW}"
    statement = f"SELECT {columns} FROM `{view}` ORDER BY last_at, writer_id"  # noqa: S608 - names of our own
    return [WriterBalance(**row) for row in ask(client, statement, view)]


def as_lines(writers: Sequence[WriterBalance]) -> list[str]:
    """A table for people."""
    names = ("numbered", "stored", "failed", "erased", "skipped", "dropped", "missing")
    lines = [f"{'writer':42} {''.join(f'{name:>12}' for name in names)}"]
    for writer in writers:
        state = "LOST" if writer.is_lost else "" if writer.closed else "open"
        lines.append(f"{writer.writer_id:42} {''.join(f'{getattr(writer, name):>12,}' for name in names)}  {state}")
    lost = sum(writer.missing for writer in writers if writer.is_lost)
    lines.append(f"{len(writers)} writers; {lost:,} numbers of closed writers are missing")
    return lines
