"""Runs the collector on a port until it is told to stop."""

import signal
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from shopstream.schemas import SettingsError

from ..capture import Capture
from ..counters import Counts
from ..inspection import spool_trouble
from ..settings import CaptureSettings
from .api_keys import ApiKeys, read_keys
from .app import Collector, build_app
from .rate_limit import RateLimits
from .settings import CollectorSettings

_LOOK_SECONDS = 1.0
"""The spool is tried at most this often, however often /readyz is asked."""
_WAITING_CONNECTIONS = 2048


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
        limits=RateLimits(settings.events_per_second, settings.burst(), clock),
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


def listen(settings: CollectorSettings) -> tuple[socket.socket, str]:
    """A socket that already takes connections, and its address.

    Raises:
        SettingsError: The host is none of this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=_WAITING_CONNECTIONS)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on CAPTURE_COLLECTOR_HOST={settings.host} CAPTURE_COLLECTOR_PORT={settings.port}: "
            f"{error.strerror or error}"
        ) from None
    # Inherited by each connection; asyncio's loop sets it only where the socket names its protocol, uvloop always.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
    return listening, f"http://{host}:{listening.getsockname()[1]}"


def serve(app: Starlette, listening: socket.socket, settings: CollectorSettings) -> None:
    """Answer until SIGTERM or SIGINT; then take no more, and end what is under way.

    Slow headers and half-open connections are left to the server in front.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=settings.idle_seconds,
            timeout_graceful_shutdown=settings.stop_seconds,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # Uvicorn raises the signal again when it has stopped, which would end the process before capture has drained.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listening])


def _keys(settings: CollectorSettings) -> ApiKeys:
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
    return ApiKeys(keys)
