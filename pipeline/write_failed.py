"""Failed events to their table, and where a bucket is named to objects as well: the last door."""

import gzip
import hashlib
import logging
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date

import requests
from apache_beam.metrics import Metrics
from apache_beam.utils.windowed_value import WindowedValue
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from shopstream.schemas import CloudSettings, FailedEvent, Stage, Unavailable
from shopstream.schemas.rows import failed_row
from shopstream.schemas.warehouse import failed_table_id

from .clock import Clock
from .counters import NAMESPACE, Counter
from .options import PipelineSettings
from .retry import RETRY_SECONDS, retrying
from .step import in_global_window
from .storage import connect_to_storage
from .tombstones import Tombstones
from .warehouse import REQUEST_SECONDS
from .write_streaming import Answer, StreamingInserts

logger = logging.getLogger(__name__)

_ERRORS = (exceptions.GoogleAPIError, GoogleAuthError, requests.RequestException, OSError)


class WriteFailed(StreamingInserts):
    """Takes failed events one by one and gives them in batches once they are written.

    One that cannot be written stops the bundle, for it has nowhere else to go.
    """

    def __init__(
        self, settings: PipelineSettings, tombstones: Tombstones, now: Clock, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        super().__init__(settings, retry_seconds)
        self._tombstones, self._now = tombstones, now
        self._failed = Metrics.counter(NAMESPACE, Counter.EVENTS_FAILED)
        self._job, self._bucket = settings.dataflow_job_name, settings.failed_events_bucket

    def start_bundle(self) -> None:
        """Nothing waits over from another bundle."""
        super().start_bundle()
        self._reasons: Tally[str] = Tally()
        self._copies: defaultdict[date, list[bytes]] = defaultdict(list)
        self._stored: list[FailedEvent] = []

    def process(self, failure: FailedEvent) -> None:
        """One failed event."""
        self._tombstones.refresh(self._now())
        if self._tombstones.holds(failure.user_id):
            failure = failure.without_payload()
        if failure.stage is not Stage.CAPTURE:
            failure = failure.model_copy(update={"job": self._job})
        document = failed_row(failure)
        if self._bucket is not None:
            self._copies[day_of(failure)].append(document)
        self._stop_on(self._collect(failed_table_id(self._settings), document, failure.event_id, failure))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Send what still waits, and say in the log what it was."""
        self._stop_on(self._send_all())
        if self._bucket is not None and self._copies:
            attempts = retrying(self._retry_seconds, on_retry=self._retries.inc)
            attempts(write_copies, self._settings, self._bucket, self._copies)
        log_reasons(self._reasons)
        yield in_global_window(self._stored)

    def _tell(self, stored: Sequence[FailedEvent]) -> None:
        self._stored += stored
        self._failed.inc(len(stored))
        for failure in stored:
            self._reasons[reason_of(failure)] += 1
            Metrics.counter(NAMESPACE, f"{Counter.FAILED_BY_REASON}.{failure.stage}.{failure.reason}").inc()

    def _stop_on(self, answers: list[Answer]) -> None:
        refused = [each for answer in answers for each in answer.refused]
        if refused:
            raise RuntimeError(
                f"BigQuery refused {len(refused)} failed events ({refused[0].error.detail}); their messages stay "
                "unacknowledged. Compare the table with its contract: shopstream-pipeline tables plan"
            )


def day_of(failure: FailedEvent) -> date:
    """The day whose object has its copy."""
    return (failure.received_at or failure.failed_at).date()


def reason_of(failure: FailedEvent) -> str:
    """What the log counts it under."""
    return f"{failure.stage}/{failure.reason}"


def log_reasons(reasons: Tally[str]) -> None:
    """What an alert listens for: it comes with the rows, whatever exports the counters and however late."""
    if reasons:
        logger.warning("events failed", extra={"events": reasons.total(), "by_reason": dict(reasons)})


def write_copies(settings: CloudSettings, bucket: str, copies: Mapping[date, Sequence[bytes]]) -> None:
    """One object a day, named by its content: the same failed events again make the same object.

    Raises:
        Unavailable: Cloud Storage does not take them.
    """
    try:
        client = connect_to_storage(settings)
        for day, documents in copies.items():
            body = b"\n".join(documents) + b"\n"
            name = f"failed_events/{day:%Y/%m/%d}/{hashlib.sha256(body).hexdigest()[:32]}.ndjson.gz"
            # Its name says its bytes. Never written over, so that the right to create objects is enough.
            with suppress(exceptions.PreconditionFailed):
                client.bucket(bucket).blob(name).upload_from_string(
                    gzip.compress(body, mtime=0),
                    content_type="application/gzip",
                    if_generation_match=0,
                    checksum="crc32c",
                    timeout=REQUEST_SECONDS,
                    retry=None,
                )
        client.close()
    except _ERRORS as error:
        raise Unavailable(f"gs://{bucket} did not take failed events: {type(error).__name__}") from error
