"""Runs the collector on a port until it is told to stop."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random

from pydantic import SecretStr
from starlette.applications import Starlette

from shopstream.schemas import SettingsError
from shopstream.schemas.http.rate_limit import RateLimits

from ..capture import Capture
from ..counters import Counts
from ..inspection import spool_trouble
from ..settings import CaptureSettings
from .api_keys import ApiKey, read_keys
from .app import Collector, build_app
from .settings import CollectorSettings

_LOOK_SECONDS = 1.0
"""The spool is tried at most this often, however often /readyz is asked."""


class SpoolProbe:
    """Why the spool would not take an event, as it was at most a second ago."""

    def __init__(self, settings: CaptureSettings, clock: Callable[[], float]) -> None:
        self._path, self._max_bytes, self._clock = Path(settings.spool_directory), settings.spool_max_bytes, clock
        self._lock = threading.Lock()
        self._look_at = float("-inf")
        self._trouble: str | None = None

    def __call__(self) -> str | None:
        """None where the spool takes events."""
        with self._lock:
            if (moment := self._clock()) >= self._look_at:
                self._trouble = spool_trouble(self._path, self._max_bytes)
                self._look_at = moment + _LOOK_SECONDS
            return self._trouble


def collector_app(
    capture: Capture,
    counts: Counts,
    settings: CollectorSettings,
    trouble: Callable[[], str | None],
    *,
    voice_secret: SecretStr | None,
    now: Callable[[], datetime],
    clock: Callable[[], float],
    random: Random,
) -> Starlette:
    """The application as the settings say.

    Raises:
        SettingsError: There is no key, or one is wrong.
    """
    collector = Collector(
        capture=capture,
        counts=counts,
        settings=settings,
        keys=_keys(settings),
        limits=RateLimits("events", settings.events_per_second, settings.burst(), clock),
        trouble=trouble,
        now=now,
        voice_secret=voice_secret.get_secret_value() if voice_secret else None,
    )
    return build_app(collector, lambda: f"{random.getrandbits(128):032x}", clock)


def check_settings(settings: CollectorSettings) -> None:
    """See whether the collector could start, before anything is opened.

    Raises:
        SettingsError: There is no key, or one is wrong.
    """
    _keys(settings)


def _keys(settings: CollectorSettings) -> list[ApiKey]:
    keys = read_keys(settings.keys.get_secret_value(), "CAPTURE_COLLECTOR_KEYS") if settings.keys else []
    if settings.keys_file:
        try:
            text = Path(settings.keys_file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"CAPTURE_COLLECTOR_KEYS_FILE: {settings.keys_file} cannot be read: {type(error).__name__}"
            ) from None
        keys += read_keys(text, settings.keys_file)
    if not keys and not settings.open:
        raise SettingsError(
            "no key is set: make one with `shopstream-capture key NAME` and put its line into CAPTURE_COLLECTOR_KEYS "
            "or a CAPTURE_COLLECTOR_KEYS_FILE; CAPTURE_COLLECTOR_OPEN=true takes events from everybody"
        )
    return keys
