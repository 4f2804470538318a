"""What feature jobs and the reader take from the environment."""

from shopstream.schemas import CloudSettings, RedisSettings, SettingsError


class FeatureSettings(CloudSettings, RedisSettings):
    """Settings of the feature jobs, the reader and the command `shopstream-features`."""


def refuse_redis(settings: RedisSettings) -> None:
    """Say so where Redis is asked for, rather than answer from BigQuery as if it were Redis.

    Raises:
        SettingsError: REDIS_ENABLED is true.
    """
    if settings.redis_enabled:
        raise SettingsError(
            "REDIS_ENABLED is true, but features are not served from Redis yet; "
            "set REDIS_ENABLED=false and they are read from BigQuery"
        )
