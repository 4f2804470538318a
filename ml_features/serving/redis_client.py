"""Redis as features use it: one client, and one table of what its errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from shopstream.schemas import RedisSettings, SettingsError, Unavailable

PUBLISH_SECONDS = 10.0
"""One request of a job that publishes."""

ERRORS = (redis.RedisError, OSError)
"""All that goes wrong with Redis."""


def connect_to_redis(settings: RedisSettings, seconds: float = PUBLISH_SECONDS) -> redis.Redis:
    """A client that gives bytes, waits so long at most for a connection or an answer, and tries once.

    Raises:
        SettingsError: REDIS_URL is no address of Redis.
    """
    with _address_checked():
        url, retry = settings.redis_url.get_secret_value(), Retry(NoBackoff(), 0)
        return redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=retry)


def connect_to_async_redis(settings: RedisSettings, seconds: float) -> redis.asyncio.Redis:
    """The same for an event loop, where whoever asks says how long an answer may take.

    Raises:
        SettingsError: REDIS_URL is no address of Redis.
    """
    with _address_checked():
        url, retry = settings.redis_url.get_secret_value(), AsyncRetry(NoBackoff(), 0)
        return redis.asyncio.Redis.from_url(url, socket_timeout=None, socket_connect_timeout=seconds, retry=retry)


@contextmanager
def _address_checked() -> Iterator[None]:
    try:
        yield
    except ValueError:
        raise SettingsError(
            "REDIS_URL has a value it does not accept. It begins with redis://, rediss:// or unix://."
        ) from None


@contextmanager
def redis_translated() -> Iterator[None]:
    """The client's errors as ours.

    Raises:
        Unavailable: Redis does not answer, or not with what was asked for.
    """
    try:
        yield
    except redis.AuthenticationError as error:
        raise Unavailable("Redis does not take the password of REDIS_URL") from error
    except redis.OutOfMemoryError as error:
        raise Unavailable("Redis is full: raise its maxmemory") from error
    except (redis.TimeoutError, TimeoutError) as error:
        raise Unavailable("Redis does not answer in time") from error
    except redis.ConnectionError as error:
        raise Unavailable("Redis cannot be reached, or closed the connection") from error
    except ERRORS as error:
        raise Unavailable(f"Redis refused: {error}") from error
