import pytest
from redis import exceptions

from shopstream.capture.backends.redis_stream import RedisStream
from shopstream.schemas import RedisSettings, read_settings

QUOTED = "Command # 1 (XADD events * document secret WRONGTYPE caused error: OOM) of pipeline caused error: "


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (exceptions.OutOfMemoryError(f"{QUOTED}command not allowed"), "maxmemory"),
        (exceptions.ReadOnlyError(f"{QUOTED}You can't write against a read only replica."), "primary"),
        (exceptions.NoPermissionError(f"{QUOTED}this user has no permissions"), "ACL SETUSER"),
        (exceptions.ResponseError(f"{QUOTED}MISCONF Redis is configured to save"), "save to its disk"),
        (exceptions.ResponseError(f"{QUOTED}NOREPLICAS Not enough good replicas to write."), "replicas"),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), "name another key"),
        (exceptions.ResponseError("ERR unknown command 'XADD', with args beginning with: 'secret'"), "did not take"),
        (exceptions.ExecAbortError("secret"), "took none of the batch"),
        (exceptions.TimeoutError("secret"), "in time"),
        (exceptions.DataError("secret"), "did not take"),
        (OSError("secret"), "cannot be reached"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_redis_says_becomes_what_to_do_without_the_command_it_quotes(error: Exception, advice: str) -> None:
    where = read_settings(RedisSettings, {"REDIS_URL": "redis://somebody:hunter2@redis.shop:6380/3"})
    backend = RedisStream(where, stream="events", length=10, timeout_seconds=1)
    told = str(backend._translated(error))
    assert told.startswith("Redis at redis.shop:6380 ")
    assert advice in told
    assert "secret" not in told
    assert "hunter2" not in told
