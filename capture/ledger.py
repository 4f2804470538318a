"""What each writer has to account for: entries about a minute each, which travel like every other event.

A process accounts for its own writer, at the latest when it closes, and for those whose folders it ships. Of a writer
that was killed, whoever takes over what it left writes the last entry. docs/ledger.md says what they prove.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from random import Random

from shopstream.schemas import write_event
from shopstream.schemas.events import LEDGER_ENTRY, LedgerEntry, Refused, Sent
from shopstream.schemas.identifiers import make_event_id

from .counters import Counter, Counts
from .spool import Spool
from .spool_directory import WriterFolder
from .spool_format import Entry
from .tally import Tally

ENTRY_SECONDS = 60.0
_REFUSALS = (Counter.REFUSED_FULL, Counter.REFUSED_DISK, Counter.CRASHED, Counter.DROPPED_CONSENT)


class Ledger:
    """Writes the entries of one process into its spool."""

    def __init__(
        self,
        spool: Spool,
        counts: Counts,
        *,
        source: str,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._spool, self._counts, self._source = spool, counts, source
        self._now, self._clock, self._random = now, clock, random
        self.start_afresh()

    def start_afresh(self) -> None:
        """In a forked child, whose counts begin at 0: account for nothing of its parent's."""
        self._lock = threading.Lock()
        self._counted = self._counts.snapshot()
        self._since = self._now()
        self._began: dict[str, datetime] = {}
        self._own: set[str] = set()
        self._closed: set[str] = set()
        self._due_at = self._clock() + ENTRY_SECONDS

    def keep(self) -> None:
        """Once a minute, an entry for each writer to which something happened."""
        if self._clock() < self._due_at:
            return
        with self._lock:
            self._due_at = self._clock() + ENTRY_SECONDS
            self._account_for_own()
            for folder in self._spool.directory.shipped():
                if folder.path.name not in self._own:
                    self._account_for(folder, closing=False)

    def close(self) -> None:
        """The last entry of this process's writer, before the spool is closed."""
        with self._lock:
            self._account_for_own(closing=True)

    def sweep(self) -> None:
        """Delete what every backend has; of a writer that is no more, only once it is accounted for."""
        with self._lock:
            directory = self._spool.directory
            directory.sweep(
                [
                    folder.path.name
                    for folder in directory.finished()
                    if folder.path.name in self._closed or self._account_for(folder, closing=True)
                ]
            )

    def _account_for_own(self, *, closing: bool = False) -> None:
        tallies = {folder.path.name: folder.tally for folder in self._spool.directory.shipped()}
        for numbers in self._spool.take_numbers():
            self._own.add(numbers.writer_id)
            counted = self._counts.snapshot()
            delta = {counter: counted[counter] - self._counted[counter] for counter in counted}
            refused = tuple(Refused(reason=str(each), events=delta[each]) for each in _REFUSALS if delta[each])
            happened, known = _of_tally(tallies.get(numbers.writer_id, Tally()))
            gave = numbers.last >= numbers.first
            is_last = closing or numbers.is_over
            if is_last:
                self._closed.add(numbers.writer_id)
            if not (gave or refused or happened or (is_last and numbers.last)):
                continue
            self._counted = counted
            self._write(
                numbers.writer_id,
                first_sequence=numbers.first if gave else None,
                skipped=numbers.skipped,
                captured=delta[Counter.CAPTURED],
                failed=delta[Counter.FAILED],
                refused=refused,
                closing=is_last,
                **known | {"last_sequence": numbers.last or None},
            )

    def _account_for(self, folder: WriterFolder, *, closing: bool) -> bool:
        """What was sent and dropped of a folder; False where the entry is due and could not be written."""
        happened, known = _of_tally(folder.tally)
        if not (happened or closing):
            return True
        written = self._write(folder.path.name, closing=closing, **known)
        if written and closing:
            self._closed.add(folder.path.name)
        return written

    def _write(self, writer_id: str, **known: object) -> bool:
        now = self._now()
        entry = LedgerEntry.model_validate(
            {
                "event_id": make_event_id(now, self._random),
                "occurred_at": now,
                "source": self._source,
                "writer_id": writer_id,
                "began_at": min(self._began.get(writer_id, self._since), now),
                **known,
            }
        )
        self._began[writer_id] = now
        return self._spool.append(Entry(LEDGER_ENTRY, write_event(entry), numbered=False), bounded=False)


def _of_tally(tally: Tally) -> tuple[bool, dict[str, object]]:
    """Whether something was sent or dropped, and the fields of an entry that a forwarder knows."""
    sent, dropped, last_sequence = tally.take()
    by_backend = tuple(Sent(backend=backend, records=records) for backend, records in sorted(sent.items()))
    return bool(sent or dropped), {"sent": by_backend, "dropped": dropped, "last_sequence": last_sequence}
