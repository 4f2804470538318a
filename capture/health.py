"""How capture is, as a service's own health check asks for it. Values only."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BackendHealth:
    """One backend, for the folders of the spool that this process ships."""

    backend: str
    """Its name, as in CAPTURE_<BACKEND>_ENABLED."""
    breaker: Literal["closed", "open", "half_open"]
    """closed: it takes events. open: it failed again and again and is left alone for a while. half_open: one try."""
    lag_events: int
    """Records it has not acknowledged."""
    lag_bytes: int
    """Bytes of the spool it has not acknowledged."""
    lag_seconds: float
    """Age of the oldest record it has not acknowledged, in seconds; 0 where there is none."""
    last_error: str | None
    """Why the last send failed, without any value of an event; None where it did not."""


@dataclass(frozen=True, slots=True)
class Health:
    """Capture in one process."""

    ok: bool
    """True where the spool has room and no backend's breaker is open."""
    spooled_bytes: int
    """Size of the whole spool directory, all writers, in bytes."""
    room_bytes: int
    """Bytes until CAPTURE_SPOOL_MAX_BYTES is reached; 0 where the spool is full."""
    backends: tuple[BackendHealth, ...]
    """Each that this process ships to."""


def health_of(spooled_bytes: int, max_bytes: int, backends: tuple[BackendHealth, ...]) -> Health:
    """All of it, judged."""
    room = max(max_bytes - spooled_bytes, 0)
    ok = room > 0 and all(backend.breaker != "open" for backend in backends)
    return Health(ok, spooled_bytes, room, backends)
