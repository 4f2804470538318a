"""Feast with the same twenty features: run in an environment of its own, prints its figures as one line of JSON.

Arguments: read | serve, a folder, the port of a Redis, how many users; and for serve, its own port.
"""

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64, Int64, String

NUMBERS, COUNTS, WORDS = 12, 5, 3
READS, READS_OF_MANY, MANY = 400, 30, 100


def user(number: int) -> str:
    """The id of a user by number."""
    return f"user-{number:07d}"


def features_of(users: int) -> tuple[dict[str, list[Any]], list[Any]]:
    """The columns of so many users, and Feast's fields for them."""
    chance = random.Random(1)
    kinds: list[tuple[str, int, Any, Callable[[], Any]]] = [
        ("number", NUMBERS, Float64, chance.random),
        ("count", COUNTS, Int64, partial(chance.randrange, 1000)),
        ("word", WORDS, String, partial(chance.choice, ["dairy", "bakery", "fruit and vegetables"])),
    ]
    columns, fields = {}, []
    for name, count, kind, draw in kinds:
        for place in range(count):
            columns[f"{name}_{place}"] = [draw() for _ in range(users)]
            fields.append(Field(name=f"{name}_{place}", dtype=kind))
    return columns, fields


def materialized(folder: Path, online_store: Mapping[str, str], users: int) -> tuple[Any, list[str], float]:
    """A store with its features, their names, and how many rows a second `materialize` took."""
    folder.mkdir(parents=True)
    now = datetime.now(UTC)
    columns, fields = features_of(users)
    columns |= {"user_id": [user(number) for number in range(users)]}
    columns |= {"event_timestamp": [now - timedelta(hours=1)] * users}
    data = folder / "users.parquet"
    pd.DataFrame(columns).to_parquet(data)
    lines = ["project: benchmark", "provider: local", f"registry: {folder}/registry.db", "online_store:"]
    lines += [f"    {name}: {value}" for name, value in online_store.items()]
    lines += ["offline_store:", "    type: file", "entity_key_serialization_version: 3"]
    (folder / "feature_store.yaml").write_text("\n".join(lines) + "\n")
    store = FeatureStore(repo_path=str(folder))
    entity = Entity(name="user", join_keys=["user_id"])
    view = FeatureView(
        name="users",
        entities=[entity],
        ttl=timedelta(days=2),
        schema=[*fields, Field(name="user_id", dtype=String)],
        source=FileSource(path=str(data), timestamp_field="event_timestamp"),
    )
    store.apply([entity, view])
    began = time.perf_counter()
    store.materialize(now - timedelta(days=1), now)
    return store, [f"users:{field.name}" for field in fields], users / (time.perf_counter() - began)


def median(read: Callable[[], Any], times: int) -> float:
    """Seconds a read takes."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        read()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def main() -> None:
    """Measure, and serve where that was asked for."""
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Feast says how it gets on on standard output.
    what, folder, port, users = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    kinds = {"Redis": {"type": "redis", "connection_string": f'"127.0.0.1:{port}"'}}
    if what == "read":
        kinds["SQLite"] = {"type": "sqlite", "path": str(folder / "SQLite" / "online.db")}
    rows: list[dict[str, Any]] = []
    chance = random.Random(3)
    for name, online_store in kinds.items():
        store, features, rate = materialized(folder / name, online_store, users)

        def read(count: int, store: Any = store, features: list[str] = features) -> Any:
            asked = [{"user_id": user(chance.randrange(users))} for _ in range(count)]
            return store.get_online_features(features=features, entity_rows=asked).to_dict()

        if read(1)["number_0"][0] is None:
            raise SystemExit("nothing was materialized")
        one, many = median(partial(read, 1), READS), median(partial(read, MANY), READS_OF_MANY)
        rows.append({"store": name, "rows/s": rate, "one": one, "hundred": many})
    print(json.dumps(rows), file=told, flush=True)
    if what == "serve":
        os.chdir(folder / "Redis")
        command = str(Path(sys.executable).with_name("feast"))
        options = ["--host", "127.0.0.1", "--port", sys.argv[5], "--no-access-log"]
        os.execv(command, [command, "serve", *options])  # noqa: S606 - so that whoever stops us stops it


if __name__ == "__main__":
    main()
