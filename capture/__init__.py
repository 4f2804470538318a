"""Capture: takes what happens in a service, keeps it on disk at once, and ships it in the background.

from shopstream.capture import open_capture

capture = open_capture()
capture.track({"event_type": "search", "query_id": "q-1", "query": "red wine"})
"""

import atexit
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random, SystemRandom

from shopstream.schemas import read_settings

from .adapters import interaction, item, order, search
from .backends import backends_on
from .capture import Capture
from .counters import Counter, Counts
from .forwarder import Forwarder
from .settings import CaptureSettings
from .spool import Spool
from .spool_directory import SpoolDirectory

__all__ = [
    "Capture",
    "CaptureSettings",
    "Counter",
    "interaction",
    "item",
    "open_capture",
    "order",
    "search",
]


def _utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def open_capture(
    environ: Mapping[str, str] | None = None,
    *,
    now: Callable[[], datetime] = _utc_now,
    clock: Callable[[], float] = time.monotonic,
    random: Random | None = None,
    counts: Counts | None = None,
) -> Capture:
    """Capture as the environment (os.environ where none is given) sets it, with its forwarders running.

    It talks to no server and to no disk: whatever is missing is met later, counted and survived. On a normal exit
    of the process it drains, for CAPTURE_DRAIN_SECONDS at most. `counts` takes what is counted, for a caller that
    counts along.

    Raises:
        SettingsError: A setting is missing, misspelt or wrong; the text names it.
    """
    environ = os.environ if environ is None else environ
    settings = read_settings(CaptureSettings, environ)
    makers = backends_on(settings, environ)
    counts = Counts() if counts is None else counts
    spool = Spool(
        SpoolDirectory(Path(settings.spool_directory), tuple(makers), counts),
        counts,
        max_bytes=settings.spool_max_bytes,
        segment_bytes=settings.segment_bytes,
        segment_seconds=settings.segment_seconds,
        now=now,
        clock=clock,
        # Not a seeded generator: forked children would go on with their parent's numbers.
        random=random or SystemRandom(),
    )
    capture = Capture(
        spool,
        [
            Forwarder(spool, name, make, counts, batch_seconds=settings.batch_seconds, now=now, clock=clock)
            for name, make in makers.items()
        ],
        counts,
        source=settings.source,
        strict=settings.strict,
        drain_seconds=settings.drain_seconds,
        now=now,
        clock=clock,
        random=random or SystemRandom(),
    )
    capture.start()
    atexit.register(capture.close)
    return capture
