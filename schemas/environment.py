"""Settings come from the environment, typed, read once, and a misspelt name is refused, not ignored."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

MASK = "********"


class SettingsError(Exception):
    """A setting is missing, misspelt or wrong; the text names the variable and what it accepts."""


class Settings(BaseSettings):
    """Settings of one command or library; values come only from the mapping handed to read_settings."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")
    others_prefixes: ClassVar[tuple[str, ...]] = ()
    """Prefixes within our own that belong to settings read elsewhere, and checked there."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what read_settings passes, so that nothing reads os.environ behind our back."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


class CloudSettings(Settings):
    """What every part that talks to Google Cloud, or to the emulators in its place, reads."""

    google_cloud_project: str = Field(
        pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$",
        description="The Google Cloud project; with emulators any name of 6 to 30 letters, digits and hyphens.",
    )
    pubsub_emulator_host: str | None = Field(
        None,
        pattern=r"^[^:/\s]+:\d+$",
        description="host:port of a Pub/Sub emulator; unset for the real service.",
    )
    bigquery_emulator_host: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+$",
        description="http://host:port of a BigQuery emulator; unset for the real service.",
    )
    bigquery_storage_emulator_host: str | None = Field(
        None,
        pattern=r"^[^:/\s]+:\d+$",
        description="host:port of the gRPC half of a BigQuery emulator; unset for the real service.",
    )
    storage_emulator_host: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+$",
        description="http://host:port of a Cloud Storage emulator; unset for the real service.",
    )
    bigquery_dataset: str = Field(
        "shopstream",
        pattern=r"^[A-Za-z0-9_]{1,64}$",
        description="Dataset of the views; raw, failed and feature tables lie in datasets with a suffix to it.",
    )
    bigquery_location: str = Field("EU", pattern=r"^[A-Za-z0-9-]{2,32}$", description="Where BigQuery keeps the data.")
    pubsub_topic: str = Field(
        "shopstream-events",
        min_length=3,
        max_length=255,
        pattern=r"^[A-Za-z][A-Za-z0-9_.~+%-]*$",
        description="The topic events are published to.",
    )
    pubsub_subscription: str = Field(
        "shopstream-events-pipeline",
        min_length=3,
        max_length=255,
        pattern=r"^[A-Za-z][A-Za-z0-9_.~+%-]*$",
        description="The subscription the streaming job reads.",
    )

    consent_otherwise: Literal["granted", "denied"] = Field(
        "granted",
        description="What counts for feature jobs and exports where a user has decided nothing: `granted` (opt-out) or "
        "`denied` (opt-in).",
    )

    @property
    def allowed_otherwise(self) -> bool:
        """Whether a use is allowed by a user who has decided nothing."""
        return self.consent_otherwise == "granted"

    @property
    def subscription_path(self) -> str:
        """PUBSUB_SUBSCRIPTION as Pub/Sub calls it."""
        return f"projects/{self.google_cloud_project}/subscriptions/{self.pubsub_subscription}"


class RedisSettings(Settings):
    """The optional cache of features."""

    redis_enabled: bool = Field(
        False,
        description="Whether features are also served from Redis; everything works without.",
    )
    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="Where Redis is.")
    redis_prefix: str = Field(
        "shopstream",
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$",
        description="What every key of served features begins with; several shops may share a Redis.",
    )


AnySettings = TypeVar("AnySettings", bound=Settings)


def variable_names(settings: type[Settings]) -> dict[str, str]:
    """Each field of the settings with the environment variable that sets it."""
    prefix = settings.model_config.get("env_prefix", "")
    return {field: f"{prefix}{field}".upper() for field in settings.model_fields}


def read_settings(settings: type[AnySettings], environ: Mapping[str, str]) -> AnySettings:
    """The settings the environment gives.

    Raises:
        SettingsError: A variable is missing, misspelt or has a value it does not accept.
    """
    names = variable_names(settings)
    _refuse_misspelt(settings, environ, names)
    values: dict[str, Any] = {field: environ[name] for field, name in names.items() if environ.get(name)}
    try:
        return settings(**values)
    except ValidationError as error:
        raise SettingsError(_complaint(settings, names, error)) from None


def _refuse_misspelt(settings: type[Settings], environ: Mapping[str, str], names: Mapping[str, str]) -> None:
    prefix = settings.model_config.get("env_prefix", "")
    if not prefix:
        return
    for variable in sorted(environ):
        others = variable.startswith(settings.others_prefixes)
        if variable.startswith(prefix) and not others and variable not in names.values():
            near = get_close_matches(variable, names.values(), n=1, cutoff=0)
            raise SettingsError(f"{variable} is not a setting. Did you mean {near[0]}?")


def _complaint(settings: type[Settings], names: Mapping[str, str], error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    field = str(first["loc"][0])
    meaning = settings.model_fields[field].description
    if first["type"] == "missing":
        return f"{names[field]} is not set. {meaning}"
    return f"{names[field]} has a value it does not accept: {first['msg']}. {meaning}"


def shown(settings: Settings) -> dict[str, str]:
    """Every variable with its value in force, secrets masked."""
    names = variable_names(type(settings))
    values = {names[field]: getattr(settings, field) for field in names}
    return {name: MASK if isinstance(value, SecretStr) else str(value) for name, value in values.items()}
