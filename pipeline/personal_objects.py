"""Events as lines of objects in Cloud Storage: those about a user found and taken out."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Blob, Client

from shopstream.schemas import Unavailable
from shopstream.schemas.erasure import is_about

from .personal_rows import Person

_ERRORS = (exceptions.GoogleAPIError, GoogleAuthError, requests.RequestException, OSError)
_PLAIN, _PACKED = ".ndjson", ".ndjson.gz"
_SECONDS = 60.0


def find_lines(client: Client, bucket: str, person: Person) -> Iterator[bytes]:
    """Every line about the person, of every object of the bucket that holds events.

    Raises:
        Unavailable: Cloud Storage does not answer.
    """
    for _, lines in _objects(client, bucket):
        yield from (line for line in lines if is_about(line, {person.user_id: person.session_ids}))


def take_out(
    client: Client, bucket: str, persons: Sequence[Person], report: Callable[[str], None] = lambda _: None
) -> int:
    """Write each object that has lines about the persons anew without them, or delete it; how many lines went.

    An object that changes meanwhile is not written over; the next run takes it.

    Raises:
        Unavailable: Cloud Storage does not answer.
    """
    gone = 0
    users = {person.user_id: person.session_ids for person in persons}
    for blob, lines in _objects(client, bucket):
        kept = [line for line in lines if not is_about(line, users)]
        if len(kept) == len(lines):
            continue
        report(f"{bucket}/{blob.name}")
        with _translated(bucket):
            if kept:
                body = b"\n".join(kept) + b"\n"
                blob.upload_from_string(
                    gzip.compress(body, mtime=0) if blob.name.endswith(_PACKED) else body,
                    content_type=blob.content_type,
                    if_generation_match=blob.generation,
                    timeout=_SECONDS,
                    retry=None,
                )
            else:
                blob.delete(if_generation_match=blob.generation, timeout=_SECONDS, retry=None)
        gone += len(lines) - len(kept)
    return gone


def _objects(client: Client, bucket: str) -> Iterator[tuple[Blob, list[bytes]]]:
    with _translated(bucket):
        for blob in client.list_blobs(bucket, timeout=_SECONDS, retry=None):
            if blob.name.endswith((_PLAIN, _PACKED)):
                # Not unpacked on the way, whatever the object's metadata say.
                body = blob.download_as_bytes(raw_download=True, timeout=_SECONDS, retry=None)
                if blob.name.endswith(_PACKED):
                    body = gzip.decompress(body)
                yield blob, body.split(b"\n")[: -1 if body.endswith(b"\n") else None]


@contextmanager
def _translated(bucket: str) -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        raise Unavailable(f"gs://{bucket} does not answer: {type(error).__name__}") from error
