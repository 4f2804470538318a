"""Cloud Storage as a backend: compressed NDJSON objects, laid out by event_type, date and hour.

    <prefix>/search/date=2026-11-21/hour=13/<name>.ndjson.gz
    <prefix>_failed/failed_event/date=2026-11-21/hour=13/<name>.ndjson.gz

The hour is that of occurred_at, in UTC, and the name is the SHA-256 of the lines, so both derive from the batch alone:
a batch that is sent again gives the same objects. An object once written never changes. It is not named by its first
event: after a crash a batch may be cut elsewhere, and a late answer to the older request could replace the longer
object by the shorter.

A batch becomes one object for each event_type and hour in it. Imported history spreads over many hours and so over
many small objects; it is better loaded by the pipeline's back-fill.

Failed events are personal data of another kind than events: their own prefix lets a bucket give them fewer readers and
a shorter life.
"""

import gzip
import hashlib

import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from shopstream.schemas import CloudSettings, Unavailable
from shopstream.schemas.message import FAILED_EVENT

from . import Batch
from .layout import by_folder, ndjson

_THERE_ALREADY = exceptions.PreconditionFailed
"""An object of this name is there, and the name says its bytes."""
_CREATE = "storage.objects.create"
_WHAT_TO_DO: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.NotFound, "is not there: create it, or correct CAPTURE_STORAGE_BUCKET"),
    (exceptions.Forbidden, "may not be written: grant this account roles/storage.objectCreator on it"),
    (exceptions.Unauthorized, "does not accept the credentials: see GOOGLE_APPLICATION_CREDENTIALS"),
    (exceptions.TooManyRequests, "is asked too often; this passes"),
    (exceptions.GoogleAPIError, "did not take the object"),
    (GoogleAuthError, "cannot be asked without credentials: see GOOGLE_APPLICATION_CREDENTIALS"),
    (DataCorruption, "got other bytes than were sent"),
    (InvalidResponse, "gave an answer that cannot be read"),
    (requests.RequestException, "cannot be reached"),
    (OSError, "cannot be reached"),
)
"""The first that fits. None is Rejected: an event's bytes are nothing to Cloud Storage."""
_ERRORS = tuple(error for error, _ in _WHAT_TO_DO)


class Storage:
    """Writes to one bucket. Without retries of its own, so that a dead server is seen within the timeout."""

    def __init__(self, cloud: CloudSettings, *, bucket: str, prefix: str, timeout_seconds: float) -> None:
        self._prefix, self._timeout = prefix, timeout_seconds
        self._name = f"gs://{bucket}"
        try:
            self._client = _connect(cloud)
        except _ERRORS as error:
            raise self._translated(error) from None
        self._bucket = self._client.bucket(bucket)

    def send(self, batch: Batch) -> None:
        """Write the batch's objects, one after the other."""
        for folder, records in by_folder(batch, hours=True).items():
            self._write(folder, ndjson(records))

    def check(self) -> None:
        """See whether the bucket is there and this account may write to it."""
        try:
            may = self._bucket.test_iam_permissions([_CREATE], timeout=self._timeout, retry=None)
        except _ERRORS as error:
            raise self._translated(error) from None
        if _CREATE not in may:
            raise Unavailable(f"{self._name} may not be written: grant this account roles/storage.objectCreator on it")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _write(self, folder: str, lines: bytes) -> None:
        prefix = f"{self._prefix}_failed" if folder.startswith(f"{FAILED_EVENT}/") else self._prefix
        blob = self._bucket.blob(f"{prefix}/{folder}/{hashlib.sha256(lines).hexdigest()[:32]}.ndjson.gz")
        try:
            blob.upload_from_string(
                gzip.compress(lines, compresslevel=6, mtime=0),  # mtime=0: the same lines give the same bytes.
                content_type="application/gzip",
                # Never overwrites, so that the right to create objects is enough and a retention policy no obstacle.
                if_generation_match=0,
                checksum="crc32c",
                timeout=self._timeout,
                retry=None,
            )
        except _THERE_ALREADY:
            return
        except _ERRORS as error:
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> Unavailable:
        """What the client raised, in our words; its own text is left out, for it may quote the request."""
        what = next(what for kind, what in _WHAT_TO_DO if isinstance(error, kind))
        return Unavailable(f"{self._name} {what} ({type(error).__name__})")


def _connect(cloud: CloudSettings) -> Client:
    if cloud.storage_emulator_host is None:
        return Client(cloud.google_cloud_project)
    return Client(
        cloud.google_cloud_project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": cloud.storage_emulator_host},
    )
