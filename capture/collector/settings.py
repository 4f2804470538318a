"""What the collector reads from the environment, beside the settings of capture itself."""

import math

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shopstream.schemas import Settings
from shopstream.schemas.http.place import Place

EVENT_BYTES = 4096
"""A request counts as one event for each so many bytes, where that is more than it holds: an honest event is smaller,
and who may send 500 a second shall not send 500 MB."""

_ORIGIN = r"https?://[A-Za-z0-9.\-\[\]:]+"


class CollectorSettings(Settings):
    """The settings of `shopstream-capture serve`."""

    model_config = SettingsConfigDict(env_prefix="CAPTURE_COLLECTOR_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", min_length=1, description="The address the collector listens on.")
    port: int = Field(8080, ge=0, le=65_535, description="Its port; 0 takes a free one, which `serve` prints.")
    keys_file: str | None = Field(
        None, description="A file with one line a key, `name:sha256:types`, as `shopstream-capture key` prints it."
    )
    keys: SecretStr | None = Field(None, description="The same lines, separated by spaces, in place of a file.")
    open: bool = Field(False, description="Whether events are taken without a key. For development only.")
    origins: str | None = Field(
        None,
        pattern=rf"^(\*|{_ORIGIN}(\s+{_ORIGIN})*)$",
        description="The sites whose pages may send, such as `https://shop.example`, separated by spaces; * for all, "
        "unset for none.",
    )
    body_bytes: int = Field(
        1_048_576, ge=1024, le=16_777_216, description="A larger body is refused, before and after it is inflated."
    )
    batch_events: int = Field(500, ge=1, le=10_000, description="At most this many events are taken in one request.")
    events_per_second: float = Field(
        500.0,
        gt=0,
        description="How many events a second one key may send, in each process; 4 KiB count as one at least.",
    )
    burst_events: int = Field(
        5_000, ge=1, description="How many it may send at once after a pause; never less than the largest request."
    )
    requests_at_once: int = Field(
        128, ge=1, description="More requests at a time are refused; each may hold two bodies in memory."
    )
    body_seconds: float = Field(10.0, gt=0, description="A client that takes longer to send its body is refused.")
    idle_seconds: int = Field(5, ge=1, description="A connection without a request is closed after this time.")
    stop_seconds: int = Field(10, ge=0, description="How long requests under way may still take after SIGTERM.")

    def allowed_origins(self) -> tuple[str, ...]:
        """The origins, one by one."""
        return tuple((self.origins or "").split())

    @property
    def place(self) -> Place:
        """Where the collector listens."""
        return Place(self.host, self.port, "CAPTURE_COLLECTOR_")

    def burst(self) -> int:
        """The burst in force: the largest request there may be must not wait for ever."""
        return max(self.burst_events, self.batch_events, self.cost(0, self.body_bytes))

    @staticmethod
    def cost(events: int, size: int) -> int:
        """As how many events a request of so many, and so many bytes inflated, counts."""
        return max(events, math.ceil(size / EVENT_BYTES))
