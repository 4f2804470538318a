"""A capture in one process whose clock, chance and backend belong to the test."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from shopstream.capture import Capture, search
from shopstream.capture.backends import Batch
from shopstream.capture.consent import Consents, WithoutConsent
from shopstream.capture.counters import Counter, Counts
from shopstream.capture.forwarder import BatchLimits, Forwarder
from shopstream.capture.intake import Intake
from shopstream.capture.intent import RuleClassifier
from shopstream.capture.ledger import Ledger
from shopstream.capture.privacy import Privacy
from shopstream.capture.spool import Spool
from shopstream.capture.spool_directory import SpoolDirectory
from shopstream.capture.spool_format import Record
from shopstream.capture.user_ids import UserIds
from shopstream.schemas.breaker import Breaker
from shopstream.schemas.events import LEDGER_ENTRY
from shopstream.schemas.message import FAILED_EVENT

_OTHERS = (FAILED_EVENT, LEDGER_ENTRY)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class RecordingBackend:
    """Keeps what it is sent, but for what it `refuses`. Each of `answers` is raised for one send.

    With keeps_before_answer the batch of such a send is kept all the same: only the answer was lost.
    """

    def __init__(self) -> None:
        self.received: list[Record] = []
        self.answers: list[Exception] = []
        self.refuses: Callable[[Record], Exception | None] = lambda _: None
        self.keeps_before_answer = False

    def send(self, batch: Batch) -> None:
        if self.answers:
            if self.keeps_before_answer and not any(map(self.refuses, batch)):
                self.received.extend(batch)
            raise self.answers.pop(0)
        for record in batch:
            if (refusal := self.refuses(record)) is not None:
                raise refusal
        self.received.extend(batch)

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass

    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(record.document) for record in self.received if record.event_type not in _OTHERS]

    def failed(self) -> list[dict[str, Any]]:
        return self._of(FAILED_EVENT)

    def ledger(self) -> list[dict[str, Any]]:
        return self._of(LEDGER_ENTRY)

    def _of(self, event_type: str) -> list[dict[str, Any]]:
        return [orjson.loads(record.document) for record in self.received if record.event_type == event_type]


class Rig:
    """One capture process."""

    def __init__(self, directory: Path, *, backend: RecordingBackend, random: Random, **settings: Any) -> None:
        self.directory = directory
        self.clock, self.counts, self.backend = Clock(), Counts(), backend
        self.waits: list[float] = []
        self._settings, self._random = settings, random
        backends = ("recording",) if settings.get("forwards", True) else ()
        self.spool = Spool(
            SpoolDirectory(directory, backends, self.counts),
            self.counts,
            max_bytes=settings.get("max_bytes", 10**9),
            segment_bytes=settings.get("segment_bytes", 10**6),
            segment_seconds=60.0,
            now=lambda: NOW,
            clock=self.clock,
            random=random,
            drops_oldest=settings.get("drops_oldest", False),
        )
        self.ledger = Ledger(self.spool, self.counts, source="test", now=lambda: NOW, clock=self.clock, random=random)
        self.forwarder = self.new_forwarder()
        self.capture = Capture(
            self.spool,
            [self.forwarder] if backends else [],
            self.counts,
            intake=Intake(
                self.counts,
                privacy=self._privacy(),
                classifier=settings.get("classifier", RuleClassifier()),
                source="test",
                now=lambda: NOW,
                random=random,
            ),
            ledger=self.ledger,
            strict=settings.get("strict", False),
            drain_seconds=5.0,
            clock=self.clock,
        )

    def _privacy(self) -> Privacy:
        settings = self._settings
        return Privacy(
            Consents(settings.get("consent"), otherwise=settings.get("otherwise", True), most_users=100),
            UserIds(settings.get("user_id_key"), strict=settings.get("strict", False)),
            self.counts,
            without_consent=settings.get("without_consent", WithoutConsent.ANONYMISE),
        )

    def new_forwarder(self, sleep: Callable[[float], None] | None = None, *, backend: str = "recording") -> Forwarder:
        return Forwarder(
            self.spool,
            backend,
            lambda: self.backend,
            self.counts,
            limits=BatchLimits(0.01, self._settings.get("batch_events", 2000)),
            ledger=self.ledger,
            breaker=Breaker(failures=5, first_seconds=1.0, longest_seconds=30.0, random=self._random),
            now=lambda: NOW,
            sleep=sleep or self.wait,
            clock=self.clock,
        )

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.seconds += seconds

    def track(self, number: int = 0, **more: Any) -> str | None:
        return self.capture.track(search(query_id=f"q-{number}", query="red wine", **more))

    def ship(self) -> None:
        self.clock.seconds += 1
        while self.forwarder.ship():
            pass

    def end(self) -> None:
        """A normal end, in this thread: what close() does beside stopping the forwarders."""
        self.ship()
        self.ledger.close()
        self.spool.close()
        self.ship()

    def kill(self) -> None:
        """What the kernel does to a killed process: its descriptors are closed, and with them its locks go."""
        self.spool.forget()
        self.forwarder.forget()

    def restart(self) -> "Rig":
        return Rig(self.directory, backend=self.backend, random=self._random, **self._settings)

    def segments(self) -> list[Path]:
        return sorted(self.directory.glob("*/*.segment"))

    def count(self, counter: Counter) -> int:
        return self.counts.snapshot()[counter]


@pytest.fixture
def new_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(directory: Path | None = None, *, seed: int = 7, **settings: Any) -> Rig:
        rig = Rig(directory or tmp_path / "spool", backend=RecordingBackend(), random=Random(seed), **settings)
        made.append(rig)
        return rig

    yield make
    for rig in made:
        rig.kill()


@pytest.fixture
def rig(new_rig: Callable[..., Rig]) -> Rig:
    return new_rig()
