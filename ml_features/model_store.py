"""Where trained models are kept: a bucket with every version, and one object that names the one in force."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import orjson
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import TransportError

from shopstream.schemas import CloudSettings, SettingsError, Unavailable

from .models.artefact import Artefact, Judged, from_bytes
from .settings import FeatureSettings

if TYPE_CHECKING:
    from google.cloud.storage import Bucket, Client

PREFIX = "models/reorders"
REQUEST_SECONDS = 120.0
_TRY_LATER = (
    exceptions.ServerError,
    exceptions.TooManyRequests,
    exceptions.RetryError,
    TransportError,
    requests.RequestException,
)


class Overtaken(Exception):
    """Another training put its model in force meanwhile; train again."""


@dataclass(frozen=True)
class Champion:
    """The model in force."""

    artefact: Artefact
    generation: int
    """Of the object that names it."""


class ModelStore:
    """The models of one bucket.

    Raises:
        SettingsError: MODELS_BUCKET is not set, the client is not installed, or what is found is no model.
        Unavailable: Cloud Storage does not answer.
    """

    def __init__(self, settings: FeatureSettings) -> None:
        if settings.models_bucket is None:
            raise SettingsError("MODELS_BUCKET is not set: models of the model tier are kept there")
        self._bucket: Bucket = _connect(settings).bucket(settings.models_bucket)

    def champion(self) -> Champion | None:
        """The model in force; None before the first."""
        with _translated(self._bucket.name):
            named = self._bucket.get_blob(f"{PREFIX}/champion.json", timeout=REQUEST_SECONDS, retry=None)
            if named is None:
                return None
            version = orjson.loads(named.download_as_bytes(timeout=REQUEST_SECONDS, retry=None))["version"]
        return Champion(self.model(version), int(named.generation or 0))

    def model(self, version: str) -> Artefact:
        """The model of a version."""
        with _translated(self._bucket.name):
            blob = self._bucket.blob(f"{PREFIX}/{version}.json")
            content = blob.download_as_bytes(timeout=REQUEST_SECONDS, retry=None)
        return from_bytes(content)

    def keep(self, artefact: Artefact) -> None:
        """Store a model under its version; storing it again changes nothing."""
        with _translated(self._bucket.name):
            blob = self._bucket.blob(f"{PREFIX}/{artefact.version}.json")
            blob.upload_from_string(
                artefact.to_bytes(), content_type="application/json", timeout=REQUEST_SECONDS, retry=None
            )

    def put_in_force(self, artefact: Artefact, judged: Judged, before: Champion | None, now: datetime) -> None:
        """Name the model that is in force from now on, unless another took the champion's place meanwhile.

        Raises:
            Overtaken: It did.
        """
        content = {
            "version": artefact.version,
            "since": now.isoformat(),
            "log_loss": judged.challenger,
            "log_loss_of_the_one_before": judged.champion,
            "before": None if before is None else before.artefact.version,
        }
        with _translated(self._bucket.name):
            try:
                self._bucket.blob(f"{PREFIX}/champion.json").upload_from_string(
                    orjson.dumps(content, option=orjson.OPT_INDENT_2),
                    content_type="application/json",
                    if_generation_match=0 if before is None else before.generation,
                    timeout=REQUEST_SECONDS,
                    retry=None,
                )
            except exceptions.PreconditionFailed as error:
                raise Overtaken("another training put its model in force meanwhile; train again") from error


def _connect(settings: CloudSettings) -> "Client":
    try:
        from google.cloud.storage import Client
    except ImportError as error:
        raise SettingsError(
            f"MODELS_BUCKET is set, but {error.name} is not installed: pip install 'shopstream[features,models]'"
        ) from None
    if settings.storage_emulator_host is None:
        return Client(settings.google_cloud_project)
    return Client(
        settings.google_cloud_project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": settings.storage_emulator_host},
    )


@contextmanager
def _translated(bucket: str) -> Iterator[None]:
    try:
        yield
    except _TRY_LATER as error:
        raise Unavailable(f"Cloud Storage does not answer: {type(error).__name__}") from error
    except exceptions.NotFound as error:
        raise SettingsError(
            f"gs://{bucket} or a model in it is missing; set MODELS_BUCKET to where models are"
        ) from error
