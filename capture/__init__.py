"""Capture: takes what happens in a service, keeps it on disk at once, and ships it in the background.

A service opens it once and tells it what happens:

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
from types import ModuleType

from shopstream.schemas import SettingsError, read_settings
from shopstream.schemas.breaker import Breaker

from .adapters import exposure, interaction, item, order, search
from .backends import BackendOn, backends_on
from .capture import Capture
from .consent import Consents
from .context import Context, context
from .counters import Counter, Counts
from .forwarder import BatchLimits, Forwarder
from .health import BackendHealth, Health
from .intake import Intake
from .intent import Classifier, RuleClassifier
from .ledger import Ledger
from .privacy import Privacy
from .search_call import SearchCall, capture_search, current_search, searched
from .settings import CaptureSettings
from .spool import Spool
from .spool_directory import SpoolDirectory
from .termination import exit_on_sigterm
from .user_ids import UserIds

__all__ = [
    "BackendHealth",
    "Capture",
    "CaptureSettings",
    "Classifier",
    "Context",
    "Counter",
    "Counts",
    "Health",
    "SearchCall",
    "capture_search",
    "context",
    "current_search",
    "exit_on_sigterm",
    "exposure",
    "interaction",
    "item",
    "open_capture",
    "order",
    "search",
    "searched",
    "utc_now",
]

_FIRST_BREAK_SECONDS = 1.0
_MOST_USERS = 10_000
"""Decisions on consent held in memory; a refusal is not the first to be forgotten."""

# A partial, for it is called for every event.
utc_now = partial(datetime.now, UTC)
"""The wall clock."""


def open_capture(
    environ: Mapping[str, str] | None = None,
    *,
    consent: Callable[[str], bool | None] | None = None,
    classifier: Classifier | None = None,
    counts: Counts | None = None,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
    random: Random | None = None,
) -> Capture:
    """Capture as the environment (os.environ where none is given) sets it, with its forwarders running.

    It talks to no server and to no disk: whatever is missing is met later, counted and survived. On a normal exit
    of the process it drains, for CAPTURE_DRAIN_SECONDS at most.

    Args:
        environ: Where the settings are.
        consent: Whether a user allows analytics, by the shop's own records; None where they do not know. Called on
            the thread of `track`.
        classifier: Names the intent of searches that have none; rules of our own by default.
        counts: Takes what is counted, for a caller that counts along.
        now: The wall clock, with a time zone.
        clock: Seconds that only ever grow.
        random: Chance for ids and jitter.

    Raises:
        SettingsError: A setting is missing, misspelt or wrong; the text names it.
    """
    environ = os.environ if environ is None else environ
    settings = read_settings(CaptureSettings, environ)
    # Not a seeded generator: forked children would go on with their parent's numbers.
    random = random or SystemRandom()
    backends = backends_on(settings, environ, now=now) if settings.forward_in_process else {}
    counts = Counts() if counts is None else counts
    spool = Spool(
        SpoolDirectory(Path(settings.spool_directory), tuple(backends), counts),
        counts,
        max_bytes=settings.spool_max_bytes,
        segment_bytes=settings.segment_bytes,
        segment_seconds=settings.segment_seconds,
        now=now,
        clock=clock,
        random=random,
        drops_oldest=settings.spool_full == "drop_oldest",
    )
    ledger = Ledger(spool, counts, source=settings.source, now=now, clock=clock, random=random)

    def forwarder(name: str, backend: BackendOn) -> Forwarder:
        return Forwarder(
            spool,
            name,
            backend.make,
            counts,
            limits=BatchLimits(
                backend.batch_seconds or settings.batch_seconds, settings.batch_events, settings.batch_bytes
            ),
            breaker=Breaker(
                failures=settings.breaker_failures,
                first_seconds=_FIRST_BREAK_SECONDS,
                longest_seconds=settings.breaker_seconds,
                random=random,
            ),
            ledger=ledger,
            now=now,
            clock=clock,
        )

    capture = Capture(
        spool,
        [forwarder(name, backend) for name, backend in backends.items()],
        counts,
        intake=Intake(
            counts,
            privacy=_privacy(settings, counts, consent, clock),
            classifier=classifier or RuleClassifier(),
            source=settings.source,
            now=now,
            random=random,
        ),
        ledger=ledger,
        strict=settings.strict,
        drain_seconds=settings.drain_seconds,
        clock=clock,
    )
    if settings.metrics_enabled:
        _with_metrics(lambda metrics: metrics.report(capture, counts, settings.source))
    capture.start()
    atexit.register(capture.close)
    return capture


def export_metrics(settings: CaptureSettings) -> None:
    """For a command: where metrics are on, send them over OTLP, as the standard OTEL_ variables say.

    Raises:
        SettingsError: They are on, and OpenTelemetry is not installed.
    """
    if settings.metrics_enabled:
        _with_metrics(lambda metrics: metrics.export())


def _with_metrics(use: Callable[[ModuleType], None]) -> None:
    try:
        from . import metrics

        use(metrics)
    except ImportError as error:
        raise SettingsError(
            f"CAPTURE_METRICS_ENABLED is on, but {error.name} is not installed: pip install 'shopstream[metrics]'"
        ) from None


def _privacy(
    settings: CaptureSettings,
    counts: Counts,
    consent: Callable[[str], bool | None] | None,
    clock: Callable[[], float],
) -> Privacy:
    consents = Consents(
        consent,
        otherwise=settings.consent_otherwise == "granted",
        most_users=_MOST_USERS,
        clock=clock,
        failed=partial(counts.add, Counter.CONSENT_LOOKUPS_FAILED),
    )
    key = settings.user_id_key
    user_ids = UserIds(key.get_secret_value().encode() if key else None, strict=settings.strict)
    return Privacy(consents, user_ids, counts, without_consent=settings.without_consent)
