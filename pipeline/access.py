"""What is kept about a user, for the user: every row and every line, as they are."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from google.cloud import bigquery
from google.cloud.storage import Client as StorageClient

from .personal_objects import find_lines
from .personal_rows import PersonalTable, find_person, parameters
from .warehouse import ask


def everything_about(
    client: bigquery.Client,
    tables: Sequence[PersonalTable],
    user_id: str,
    storage: StorageClient | None,
    buckets: Sequence[str],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each place with each row or line about the user, sessions before signing in included.

    An event may come from its raw and from its stable table, for both keep it.

    Raises:
        Unavailable: BigQuery or Cloud Storage does not answer.
    """
    person = find_person(client, tables, user_id)
    for each in tables:
        statement = f"SELECT * FROM `{each.place}` WHERE {each.condition()}"  # noqa: S608 - names of our own
        for row in ask(client, statement, each.place, parameters([person], statement)):
            yield each.place, row
    for bucket in buckets:
        if storage is not None:
            for line in find_lines(storage, bucket, person):
                yield f"gs://{bucket}", orjson.loads(line)
