"""What a forwarder notes of one writer's folder, for the ledger."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from shopstream.schemas.events import LEDGER_ENTRY
from shopstream.schemas.identifiers import find_number

from .spool_format import Record

_LOOKED_AT = 64
"""Numbers of threads that append at once come a little out of order: the highest is among the last of a batch."""


@dataclass
class Tally:
    """What a forwarder notes of one writer's folder between two entries."""

    sent: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    last_sequence: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note_sent(self, backend: str, records: Sequence[Record]) -> None:
        """The backend has these; entries of the ledger itself do not count."""
        numbers = [number for record in records[-_LOOKED_AT:] if (number := find_number(record.document)[1])]
        events = events_in(records)
        with self._lock:
            if events:
                self.sent[backend] = self.sent.get(backend, 0) + events
            if numbers:
                self.last_sequence = max(self.last_sequence or 0, *numbers)

    def note_dropped(self, records: int) -> None:
        """So many were deleted before every backend had them."""
        with self._lock:
            self.dropped += records

    def take(self) -> tuple[dict[str, int], int, int | None]:
        """What was noted since the last time: sent, dropped, and the highest number of all."""
        with self._lock:
            taken = self.sent, self.dropped, self.last_sequence
            self.sent, self.dropped = {}, 0
            return taken


def events_in(records: Sequence[Record]) -> int:
    """How many of the records are not the ledger's own."""
    return len(records) - [record.event_type for record in records].count(LEDGER_ENTRY)
