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
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

from shopstream.schemas import read_settings

from .adapters import interaction, item, order, search
from .backends import backends_on
from .breaker import Breaker
from .capture import Capture
from .context import Context, context
from .counters import Counter, Counts
from .forwarder import BatchLimits, Forwarder
from .intake import Intake
from .forwarder import Forwarder
from .search_call import SearchCall, capture_search, current_search, searched
from .settings import CaptureSettings
from .spool import Spool
from .spool_directory import SpoolDirectory
from .termination import exit_on_sigterm

__all__ = [
    "Capture",
    "CaptureSettings",
    "Context",
    "Counter",
    "exit_on_sigterm",
    "SearchCall",
    "capture_search",
    "context",
    "current_search",
    "interaction",
    "item",
    "open_capture",
    "order",
    "search",
    "searched",
]


_utc_now = partial(datetime.now, UTC)
"""The wall clock."""
def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def open_capture(
    environ: Mapping[str, str] | None = None,
    *,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
    random: Random | None = None,
) -> Capture:
    """Capture as the environment (os.environ where none is given) sets it, with its forwarders running.

    It talks to no server and to no disk: whatever is missing is met later, counted and survived. On a normal exit
    of the process it drains, for CAPTURE_DRAIN_SECONDS at most.

    Raises:
        SettingsError: A setting is missing, misspelt or wrong; the text names it.
    """
    environ = os.environ if environ is None else environ
    settings = read_settings(CaptureSettings, environ)
    makers = backends_on(settings, environ) if settings.forward_in_process else {}
    backends = backends_on(settings, environ, now=now)
    counts = Counts()
    spool = Spool(
        SpoolDirectory(Path(settings.spool_directory), tuple(backends), counts),
        counts,
        max_bytes=settings.spool_max_bytes,
        segment_bytes=settings.segment_bytes,
        segment_seconds=settings.segment_seconds,
        now=now,
        clock=clock,
        # Not a seeded generator: forked children would go on with their parent's numbers.
        random=random or SystemRandom(),
        drops_oldest=settings.spool_full == "drop_oldest",
    )
    limits = BatchLimits(settings.batch_seconds, settings.batch_events, settings.batch_bytes)
    capture = Capture(
        spool,
        [
            Forwarder(
                spool,
                name,
                make,
                counts,
                limits=limits,
                breaker=Breaker(
                    failures=settings.breaker_failures,
                    first_seconds=1.0,
                    longest_seconds=settings.breaker_seconds,
                    random=random or SystemRandom(),
                ),
                now=now,
                clock=clock,
            )
            for name, make in makers.items()
                backend,
                counts,
                batch_seconds=backend.batch_seconds or settings.batch_seconds,
                now=now,
                clock=clock,
            )
            for name, backend in backends.items()
        ],
        counts,
        intake=Intake(counts, source=settings.source, now=now, random=random or SystemRandom()),
        strict=settings.strict,
        drain_seconds=settings.drain_seconds,
        clock=clock,
        random=random or SystemRandom(),
    )
    capture.start()
    atexit.register(capture.close)
    return capture
