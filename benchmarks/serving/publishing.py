"""Users published a second, beside bare MSET of the same values; and the memory that a million take here."""

import json
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime

import msgspec
import redis

from benchmarks.results import Rows
from shopstream.ml_features.serving.publish import Publisher

from .features import AS_OF, TWENTY, batches

ROUNDS, KEYS_AN_MSET = 5, 1000
RATIO, MOST = "times MSET's", "most MB of the process"


def publish(client: redis.Redis, users: int, prefix: str = "benchmark") -> float:
    """Seconds to publish so many users, whose columns are there already."""
    given = list(batches(users))
    began = time.perf_counter()
    Publisher(client, prefix).publish(TWENTY, AS_OF, datetime.now(UTC), given)
    return time.perf_counter() - began


def measure(client: redis.Redis, users: int) -> Rows:
    """Users a second, and how many times bare MSET's; the two take turns, and a ratio is the median of the rounds'."""
    packed = _packed(users)
    seconds: dict[str, list[float]] = {"MSET of packed values": [], "Publisher": []}
    for _ in range(ROUNDS):
        client.flushall()
        began = time.perf_counter()
        for some in packed:
            client.mset(some)
        seconds["MSET of packed values"].append(time.perf_counter() - began)
        client.flushall()
        seconds["Publisher"].append(publish(client, users))
    bare = seconds["MSET of packed values"]
    return [
        {
            "way": name,
            "users/s": round(users / statistics.median(found)),
            RATIO: round(statistics.median(other / own for own, other in zip(found, bare, strict=True)), 3),
        }
        for name, found in seconds.items()
    ]


def memory(redis_port: int, users: tuple[int, ...]) -> Rows:
    """The most memory a process takes that publishes so many users, read a batch at a time."""
    rows = []
    for count in users:
        command = [sys.executable, "-m", "benchmarks.serving.publishing", str(redis_port), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout))
    return rows


def _packed(users: int) -> list[dict[str, bytes]]:
    pack, found = msgspec.msgpack.Encoder().encode, []
    for batch in batches(users):
        keys, *columns = (column.to_pylist() for column in batch.columns)
        rows = [pack((row,)) for row in zip(*columns, strict=True)]
        for begin in range(0, len(rows), KEYS_AN_MSET):
            some = slice(begin, begin + KEYS_AN_MSET)
            found.append(dict(zip(keys[some], rows[some], strict=True)))
    return found


if __name__ == "__main__":
    with redis.Redis(port=int(sys.argv[1])) as server:
        began = time.perf_counter()
        Publisher(server, "benchmark").publish(TWENTY, AS_OF, datetime.now(UTC), batches(int(sys.argv[2])))
        took = time.perf_counter() - began
        server.flushall()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"users": int(sys.argv[2]), "seconds": round(took, 1), MOST: round(most)}))  # noqa: T201
