"""Many writers and forwarders on one directory, each of which may die at any moment: every event has one fate."""

import shutil
import tempfile
from collections import Counter as Tally
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, integers

from shopstream.capture.counters import Counter
from shopstream.schemas import Unavailable

MOST_PROCESSES = 3
which = integers(0, MOST_PROCESSES - 1)


def machine_of(new_rig: Callable[..., Any]) -> type[RuleBasedStateMachine]:  # noqa: C901 - rules beside one another
    class Lives(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.directory = Path(tempfile.mkdtemp())
            self.rigs: list[Any] = []
            self.kept: list[str] = []
            self.dropped = self.started = 0
            self.unsure: Tally[str] = Tally()
            self.backend: Any = None
            self.start(forwards=True)

        def rig(self, place: int) -> Any:
            return self.rigs[place % len(self.rigs)]

        def forwarder(self, place: int) -> Any:
            return self.forwarders()[place % len(self.forwarders())]

        @precondition(lambda self: len(self.rigs) < MOST_PROCESSES)
        @rule(forwards=booleans())
        def start(self, forwards: bool) -> None:
            self.started += 1
            rig = new_rig(
                self.directory / "spool", seed=self.started, segment_bytes=2048, forwards=forwards, batch_events=7
            )
            rig.backend = self.backend = self.backend or rig.backend
            self.rigs.append(rig)

        @rule(place=which, times=integers(1, 20))
        def track(self, place: int, times: int) -> None:
            for _ in range(times):
                event_id = self.rig(place).track(len(self.kept))
                assert event_id is not None
                self.kept.append(event_id)

        @rule(place=which)
        def grow_old(self, place: int) -> None:
            self.rig(place).clock.seconds += 61
            self.rig(place).spool.maintain()

        def forwarders(self) -> list[Any]:
            return [rig for rig in self.rigs if rig.spool.directory.backends]

        @precondition(lambda self: self.forwarders())
        @rule(place=which)
        def ship(self, place: int) -> None:
            self.forwarder(place).ship()

        @precondition(lambda self: self.forwarders())
        @rule(place=which, stored=booleans(), batches=integers(0, 2))
        def the_backend_fails(self, place: int, stored: bool, batches: int) -> None:
            """After some batches, with or without having stored the next, and the forwarder is told to stop."""
            rig = self.forwarder(place)
            sends = 0

            def send(batch: Any) -> None:
                nonlocal sends
                sends += 1
                if sends <= batches:
                    self.backend.received.extend(batch)
                    return
                if stored:
                    before = len(self.backend.events())
                    self.backend.received.extend(batch)
                    self.unsure.update(event["event_id"] for event in self.backend.events()[before:])
                rig.forwarder._stop.set()
                raise Unavailable("down")

            rig.forwarder._client = type("Failing", (), {"send": staticmethod(send), "close": lambda _: None})()
            with suppress(Unavailable):
                rig.ship()
            rig.forwarder._client = None
            rig.forwarder._stop.clear()

        @precondition(lambda self: self.forwarders())
        @rule(place=which)
        def drop(self, place: int) -> None:
            self.forwarder(place).spool.directory.drop_oldest()

        @rule(place=which)
        def kill(self, place: int) -> None:
            rig = self.rig(place)
            self.dropped += rig.count(Counter.DROPPED_OLDEST)
            rig.kill()
            self.rigs.remove(rig)
            if not self.rigs:
                self.start(forwards=True)

        @rule(place=which)
        def close(self, place: int) -> None:
            rig = self.rig(place)
            rig.ledger.close()
            rig.spool.close()
            rig.forwarder._close_readers()
            rig.spool.directory.release()
            self.kill(place)

        def teardown(self) -> None:
            while self.rigs:
                rig = self.rigs.pop()
                self.dropped += rig.count(Counter.DROPPED_OLDEST)
                rig.kill()
            self.start(forwards=True)
            last = self.rigs[0]
            last.end()
            delivered = Tally(event["event_id"] for event in self.backend.events())
            missing = set(self.kept) - set(delivered)
            assert set(delivered) <= set(self.kept)
            # What a backend stored without saying so may be dropped, and counted, all the same.
            assert len(missing) <= self.dropped <= len(missing) + self.unsure.total()
            for event_id, times in delivered.items():
                assert times <= 1 + self.unsure[event_id]
            self.assert_order()
            assert last.segments() == []
            assert last.count(Counter.SEGMENTS_LOST) == last.count(Counter.DAMAGED_LINES) == 0
            last.kill()
            shutil.rmtree(self.directory)

        def assert_order(self) -> None:
            seen: dict[str, list[int]] = {}
            for event in self.backend.events():
                numbers = seen.setdefault(event["writer_id"], [])
                if event["sequence"] not in numbers:
                    numbers.append(event["sequence"])
            assert all(numbers == sorted(numbers) for numbers in seen.values())

    return Lives


def test_every_event_of_many_processes_has_one_fate(new_rig: Callable[..., Any]) -> None:
    run_state_machine_as_test(
        machine_of(new_rig),
        settings=settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True),
    )
