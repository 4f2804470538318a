"""Whatever happens to a process, every event whose track() returned reaches the backend."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import binary, integers, sampled_from

from shopstream.schemas import Reason, Rejected, Unavailable


def machine_of(new_rig: Callable[..., Any]) -> type[RuleBasedStateMachine]:  # noqa: C901 - rules beside one another
    class Life(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.directory = Path(tempfile.mkdtemp())
            self.rig = new_rig(self.directory / "spool", segment_bytes=4096)
            self.kept: list[str] = []
            self.failed = 0
            self.poison: set[bytes] = set()
            self.rig.backend.refuses = self.refusal

        def refusal(self, record: Any) -> Exception | None:
            poisonous = record.event_type == "search" and any(mark in record.document for mark in self.poison)
            return Rejected(Reason.ROW_REFUSED, "no") if poisonous else None

        @rule(times=integers(1, 20))
        def track(self, times: int) -> None:
            for _ in range(times):
                self.kept.append(self.rig.track(len(self.kept)))

        @rule(line=binary(max_size=50))
        def track_nonsense(self, line: bytes) -> None:
            assert self.rig.capture.track_line(line) is None
            self.failed += 1

        @precondition(lambda self: self.kept)
        @rule()
        def poison_the_next(self) -> None:
            self.poison.add(b'"q-%d"' % len(self.kept))

        @rule()
        def grow_old(self) -> None:
            self.rig.clock.seconds += 61
            self.rig.spool.maintain()

        @rule()
        def ship(self) -> None:
            self.rig.ship()

        @rule(kept=sampled_from([True, False]))
        def fail_and_stop(self, kept: bool) -> None:
            """The backend fails, with or without having stored the batch, and the forwarder is told to stop."""
            backend, forwarder = self.rig.backend, self.rig.forwarder
            backend.answers, backend.keeps_before_answer = [Unavailable("down")], kept
            forwarder._stop.set()
            with suppress(Unavailable):
                self.rig.ship()
            backend.answers, backend.keeps_before_answer = [], False
            forwarder._stop.clear()

        @rule()
        def kill_and_restart(self) -> None:
            self.rig.kill()
            self.rig = self.rig.restart()

        @rule(torn=binary(min_size=1, max_size=40).filter(lambda torn: b"\n" not in torn))
        def kill_in_the_middle_of_a_write(self, torn: bytes) -> None:
            if self.rig.spool._segment is not None:
                with self.rig.segments()[-1].open("ab") as segment:
                    segment.write(torn)
            self.kill_and_restart()

        @rule()
        def close_and_restart(self) -> None:
            self.rig.ledger.close()
            self.rig.spool.close()
            self.rig.spool.directory.release()
            self.rig = self.rig.restart()

        @rule(content=binary(max_size=20))
        def break_the_cursors_while_nobody_runs(self, content: bytes) -> None:
            self.rig.kill()
            for cursor in self.directory.glob("*/*/*.cursor"):
                cursor.write_bytes(content)
            self.rig = self.rig.restart()

        def teardown(self) -> None:
            self.kill_and_restart()
            self.rig.end()
            backend = self.rig.backend
            delivered = {event["event_id"] for event in backend.events()}
            refused = {failure["event_id"] for failure in backend.failed()}
            assert None not in self.kept
            assert set(self.kept) <= delivered | refused
            assert delivered <= set(self.kept)
            assert (
                len({failure["event_id"] for failure in backend.failed() if failure["reason"] != "row_refused"})
                >= self.failed
            )
            first_seen: dict[str, list[int]] = {}
            for event in backend.events():
                numbers = first_seen.setdefault(event["writer_id"], [])
                if event["sequence"] not in numbers:
                    numbers.append(event["sequence"])
            assert all(numbers == sorted(numbers) for numbers in first_seen.values())
            assert self.rig.segments() == []
            self.rig.kill()
            shutil.rmtree(self.directory)

    return Life


def test_no_event_is_lost_whatever_happens(new_rig: Callable[..., Any]) -> None:
    run_state_machine_as_test(
        machine_of(new_rig),
        settings=settings(max_examples=30, stateful_step_count=25, deadline=None, derandomize=True),
    )
