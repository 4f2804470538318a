"""What capture counts: every name once, with its meaning."""

import threading
from enum import StrEnum


class Counter(StrEnum):
    """The counters of one capture process. All start at 0 with the process and with each forked child."""

    __hash__ = str.__hash__  # An enum's own is written in Python, and every event is counted.

    CAPTURED = "capture.captured"
    """Events validated, scrubbed and appended to the spool."""
    FAILED = "capture.failed"
    """Wrong events appended to the spool as failed events, with their bytes."""
    REFUSED_FULL = "capture.refused.full"
    """Events not kept because the spool had reached CAPTURE_SPOOL_MAX_BYTES. Alert when above 0."""
    REFUSED_DISK = "capture.refused.disk"
    """Events not kept because the disk did not take them: full, read-only, gone. Alert when above 0."""
    CRASHED = "capture.crashed"
    """Events not kept because of an error nobody foresaw, in capture or in the caller's own values."""
    FORWARDED = "capture.forwarded"
    """Records a backend has acknowledged, failed events included; each backend counts its own."""
    RETRIED = "capture.retried"
    """Sends repeated after a backend was unavailable; each may have delivered its events twice."""
    FORWARDER_ERRORS = "capture.forwarder_errors"
    """Errors nobody foresaw in a forwarder; it went on. Alert when above 0."""
    BACKEND_REFUSED = "capture.backend_refused"
    """Events a backend refused for good and that became failed events."""
    DAMAGED_LINES = "capture.damaged_lines"
    """Lines of the spool that were torn or changed on disk and became failed events."""
    CURSORS_RESET = "capture.cursors_reset"
    """Cursor files that could not be read; what is still spooled was sent again, with the same event_ids."""
    CURSORS_UNSAVED = "capture.cursors_unsaved"
    """Acknowledgements the disk did not take; after a restart those events are sent again."""
    SEGMENTS_LOST = "capture.segments_lost"
    """Segments that were deleted by somebody else before every backend had them. Alert when above 0."""
    FOLDERS_TAKEN_OVER = "capture.folders_taken_over"
    """Spool folders of other writers, dead or without a forwarder, that this process ships."""
    DROPPED_OLDEST = "capture.dropped.oldest"
    """Records deleted before every backend had them, to make room: CAPTURE_SPOOL_FULL is drop_oldest."""
    BREAKER_OPENED = "capture.breaker_opened"
    """Times a backend failed so often in a row that it is left alone for a while."""
    SCRUBBED = "capture.scrubbed"
    """Events from whose free text personal data was taken out."""
    ANONYMISED = "capture.anonymised"
    """Events kept without user_id and session_id, because their user has not allowed analytics."""
    DROPPED_CONSENT = "capture.dropped.consent"
    """Events not kept because their user has not allowed analytics and CAPTURE_WITHOUT_CONSENT says drop."""
    CONSENT_LOOKUPS_FAILED = "capture.consent_lookups_failed"
    """Times the caller's lookup of consent raised; the default counted instead. Alert when above 0."""
    USER_IDS_REPLACED = "capture.user_ids_replaced"
    """Ids that were an e-mail address or a phone number: hashed, or left out where there is no key."""
    COLLECTOR_UNREADABLE = "capture.collector.unreadable"
    """Bodies and parts of bodies sent to the collector that are no event: not JSON, too large. Answered, not kept."""
    COLLECTOR_FORBIDDEN = "capture.collector.forbidden"
    """Events sent to the collector that their key may not send. Answered, not kept."""
    COLLECTOR_UNAUTHORIZED = "capture.collector.unauthorized"
    """Requests to the collector without a key it knows, or with a forged signature."""
    COLLECTOR_LIMITED = "capture.collector.limited"
    """Requests to the collector refused because their key sends too fast."""
    COLLECTOR_BUSY = "capture.collector.busy"
    """Requests to the collector refused because too many were under way. Alert when above 0."""


class Counts:
    """How often each thing happened. Safe to use from every thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from 0, as a forked child does: what its parent counted is its parent's."""
        self._lock = threading.Lock()
        self._values = dict.fromkeys(Counter, 0)
        self._by_backend: dict[str, dict[str, int]] = {}

    def add(self, counter: Counter, amount: int = 1, *, backend: str | None = None) -> None:
        """Count it; with its backend, where it happened at one."""
        with self._lock:
            self._values[counter] += amount
            if backend is not None:
                values = self._by_backend.setdefault(backend, {})
                values[str(counter)] = values.get(str(counter), 0) + amount

    def snapshot(self) -> dict[str, int]:
        """Every counter by its name, 0 included, over all backends, all of one moment."""
        with self._lock:
            return {str(counter): value for counter, value in self._values.items()}

    def by_backend(self) -> dict[str, dict[str, int]]:
        """What was counted at each backend: {backend: {counter: value}}, without those that are 0."""
        with self._lock:
            return {backend: dict(values) for backend, values in self._by_backend.items()}
