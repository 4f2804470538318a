"""What capture reads from the environment."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shopstream.schemas import Settings
from shopstream.schemas.identifiers import Opaque

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
        0.2, gt=0, le=60, description="Events wait at most about this long for others to travel with."
    )
    message_events: int = Field(500, ge=1, le=10_000, description="At most this many events go in one message.")
    message_bytes: int = Field(
        _MEBIBYTE, ge=1024, le=8 * _MEBIBYTE, description="At most this many bytes of events go in one message."
    )
    drain_seconds: float = Field(
        10.0, ge=0, description="How long closing, and a normal exit, wait for the backends to take what is spooled."
    )
    pubsub_enabled: bool = Field(True, description="Whether events are forwarded to Pub/Sub.")
    pubsub_timeout_seconds: float = Field(
        5.0, gt=0, le=600, description="How long one publish request may take before it is tried again."
    )
