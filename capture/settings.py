"""What capture reads from the environment."""

from typing import ClassVar, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shopstream.schemas import Settings
from shopstream.schemas.identifiers import Opaque

from .consent import WithoutConsent

_MEBIBYTE = 1024 * 1024


class CaptureSettings(Settings):
    """The settings of capture; those of a backend's cloud are CloudSettings, read only when it is on."""

    model_config = SettingsConfigDict(env_prefix="CAPTURE_", frozen=True, extra="ignore")
    others_prefixes: ClassVar[tuple[str, ...]] = ("CAPTURE_COLLECTOR_",)

    spool_directory: str = Field(
        min_length=1,
        description="Where events wait until every backend has them: a local disk that outlives the process.",
    )
    spool_max_bytes: int = Field(
        1024 * _MEBIBYTE, gt=0, description="New events are refused, and counted, beyond this size of the directory."
    )
    segment_bytes: int = Field(
        16 * _MEBIBYTE, ge=4096, description="A segment file is closed, and deleted once shipped, at about this size."
    )
    segment_seconds: float = Field(60.0, gt=0, description="A segment file is closed at this age.")
    source: Opaque = Field("search-service", description="The `source` of events that do not name one.")
    strict: bool = Field(
        False,
        description="Whether a wrong event raises, as tests and development want, or becomes a failed event.",
    )
    batch_seconds: float = Field(
        1.0, gt=0, le=60, description="Events wait at most about this long for others to travel with."
    )
    message_events: int = Field(
        500,
        ge=1,
        le=10_000,
        description="At most this many events go in one message. With 1 a message is the JSON of its event, never "
        "compressed, as Pub/Sub's BigQuery subscriptions need it.",
    )
    message_bytes: int = Field(
        _MEBIBYTE, ge=1024, le=8 * _MEBIBYTE, description="At most this many bytes of events go in one message."
    )
    drain_seconds: float = Field(
        10.0, ge=0, description="How long closing, and a normal exit, wait for the backends to take what is spooled."
    )
    pubsub_enabled: bool = Field(True, description="Whether events are forwarded to Pub/Sub.")
    pubsub_endpoint: str = Field(
        "pubsub.googleapis.com",
        description="The host events are published to; one of a region, such as europe-west1-pubsub.googleapis.com, "
        "keeps them in it on their way.",
    )
    pubsub_timeout_seconds: float = Field(
        5.0, gt=0, le=600, description="How long one publish request may take before it is tried again."
    )
    batch_events: int = Field(2000, ge=1, le=100_000, description="At most this many events go in one request.")
    batch_bytes: int = Field(
        4 * _MEBIBYTE, ge=1024, le=8 * _MEBIBYTE, description="At about this many bytes of the spool a request goes."
    )
    breaker_failures: int = Field(
        5, ge=1, description="After so many failures in a row a backend is left alone for a while."
    )
    breaker_seconds: float = Field(
        30.0, gt=0, le=600, description="The longest such while; it grows to this from one second, with full jitter."
    )
    forward_in_process: bool = Field(
        True,
        description="Whether a thread of the service forwards; otherwise run `shopstream-capture forward` beside it.",
    )
    spool_full: Literal["refuse_newest", "drop_oldest"] = Field(
        "refuse_newest",
        description="What a full spool gives up: the event that comes, or the oldest segment that some backend lacks.",
    )
    metrics_enabled: bool = Field(
        False, description="Whether OpenTelemetry can read what is counted; needs the extra `metrics`."
    )
    user_id_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret of the keyed hash that takes the place of a user_id that is an e-mail address or a phone "
        "number; the same on every host. Without it such an event is kept without its user_id.",
    )
    consent_otherwise: Literal["granted", "denied"] = Field(
        "granted",
        description="What counts for a user of whose consent to analytics nothing is known. `denied` where shoppers "
        "must opt in and the service does not ask before it calls capture.",
    )
    without_consent: WithoutConsent = Field(
        WithoutConsent.ANONYMISE,
        description="What becomes of an event without consent to analytics: `anonymise` keeps it without user_id and "
        "session_id, `drop` does not keep it.",
    )
    elevenlabs_secret: SecretStr | None = Field(
        None,
        min_length=1,
        description="The signing secret of an ElevenLabs post-call webhook, as its settings page showed it.",
    )
    storage_enabled: bool = Field(False, description="Whether events are forwarded to Cloud Storage.")
    storage_bucket: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$",
        description="The bucket objects are written to; required when on.",
    )
    storage_prefix: str = Field(
        "shopstream",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
        description="What names of objects begin with; those of failed events begin with it and `_failed`.",
    )
    storage_timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="How long Cloud Storage may stay silent before an object is tried again."
    )
    storage_batch_seconds: float = Field(
        60.0, gt=0, le=3600, description="CAPTURE_BATCH_SECONDS for Cloud Storage, where each object costs."
    )
    bigquery_enabled: bool = Field(
        False, description="Whether events are forwarded straight into BigQuery's raw tables, without the pipeline."
    )
    bigquery_timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="How long BigQuery may stay silent before a request is tried again."
    )
    redis_enabled: bool = Field(
        False, description="Whether events are forwarded to a stream in Redis, at REDIS_URL; not the cache of features."
    )
    redis_stream: str = Field(
        "shopstream:events", min_length=1, max_length=256, description="The key of the stream; one an environment."
    )
    redis_stream_length: int = Field(
        100_000, ge=1, description="The stream keeps about this many events and forgets the oldest."
    )
    redis_timeout_seconds: float = Field(
        2.0, gt=0, le=60, description="How long Redis may stay silent before a batch is tried again."
    )
    file_enabled: bool = Field(False, description="Whether events are appended to local files.")
    file_path: str | None = Field(
        None, min_length=1, description="The folder of those files; required when CAPTURE_FILE_ENABLED is on."
    )
