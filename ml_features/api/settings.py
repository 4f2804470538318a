"""What the serving API reads from the environment, beside the settings of the reader."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shopstream.schemas import Settings
from shopstream.schemas.http.place import Place


class ApiSettings(Settings):
    """The settings of `shopstream-features serve`."""

    model_config = SettingsConfigDict(env_prefix="SERVING_API_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", min_length=1, description="The address the API listens on.")
    port: int = Field(8081, ge=0, le=65_535, description="Its port; 0 takes a free one, which `serve` prints.")
    keys_file: str | None = Field(
        None,
        description="A file with one line a key, as `shopstream-features key new` prints it; read again when it "
        "changes, so that a key is rotated or revoked without a restart.",
    )
    keys: SecretStr | None = Field(None, description="The same lines, separated by spaces, in place of a file.")
    requests_per_second: float = Field(
        500.0, gt=0, description="How many requests a second one key may make, in each process."
    )
    burst_requests: int = Field(2_000, ge=100, description="How many it may make at once after a pause.")
    requests_at_once: int = Field(256, ge=1, description="More requests at a time are refused with 503.")
    body_bytes: int = Field(1_048_576, ge=1024, le=16_777_216, description="A larger body is refused.")
    body_seconds: float = Field(10.0, gt=0, description="A client that takes longer to send its body is refused.")
    warehouse_seconds: float = Field(
        10.0,
        gt=0,
        le=600,
        description="How long a request waits for what only the warehouse knows: histories and decisions.",
    )
    audit_enabled: bool = Field(True, description="Whether each look-up of a user is kept in the table `lookups`.")
    console_enabled: bool = Field(True, description="Whether the console is served too, at /console.")
    experiments_file: str | None = Field(
        None, min_length=1, description="The experiments the console reports on, as JSON; unset for none."
    )
    idle_seconds: int = Field(60, ge=1, description="A connection without a request is closed after this time.")
    stop_seconds: int = Field(10, ge=0, description="How long requests under way may still take after SIGTERM.")

    @property
    def place(self) -> Place:
        """Where the API listens."""
        return Place(self.host, self.port, "SERVING_API_")
