"""Rows of a feature table for training somewhere else: of users who allow it, and nobody can be told from them."""

import gzip
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
from google.cloud import bigquery

from shopstream.schemas import SettingsError
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import FEATURES, dataset_id

from .catalog import FeatureTable
from .parameters import Days, parameters
from .settings import FeatureSettings
from .warehouse import Row, ask

SALT_BYTES = 16

Chance = Callable[[int], bytes]
"""So many random bytes."""


@dataclass(frozen=True)
class Exported:
    """What an export came to."""

    rows: int
    users: int
    left_out: int
    """Users of whom the table has rows, and who do not allow its purpose."""


def pseudonym(user_id: str, key: str, salt: bytes) -> str:
    """What stands for the user in one export: HMAC-SHA-256 of salt and user_id, the first 32 hexadecimal digits.

    The salt is drawn for one export and kept nowhere, so two exports cannot be joined, and whoever has the key cannot
    try user_ids either.
    """
    return hmac.new(key.encode(), salt + user_id.encode(), hashlib.sha256).hexdigest()[:32]


def anonymised(row: Row, key: str, salt: bytes) -> Row:
    """The row without what points at a person: the user_id as its pseudonym, exact times left out."""
    kept = {name: value for name, value in row.items() if not isinstance(value, datetime)}
    return kept | {"user_id": pseudonym(row["user_id"], key, salt)}


def export_training(
    client: bigquery.Client,
    settings: FeatureSettings,
    table: FeatureTable,
    as_of: date,
    path: Path,
    *,
    chance: Chance,
    only: Sequence[str] = (),
) -> Exported:
    """Write the table's rows of one date as NDJSON, compressed where the name ends in .gz; `only` names users.

    Raises:
        SettingsError: The table is about nobody, TRAINING_EXPORT_KEY is not set, or one of `only` does not allow the
            table's purpose; nothing is written then.
        Unavailable: BigQuery does not answer.
    """
    if table.place.purpose is None or table.place.days_per_run != 1:
        raise SettingsError(f"{table.name} is no table of users by as_of; there are {', '.join(exportable())}")
    if settings.training_export_key is None:
        raise SettingsError("TRAINING_EXPORT_KEY is not set: without a key a pseudonym could be guessed")
    allowed = _allowed(client, settings, table, as_of)
    if refusing := [user for user in only if not allowed.get(user, settings.allowed_otherwise)]:
        raise SettingsError(
            f"{len(refusing)} of {len(only)} users do not allow {table.place.purpose}; nothing was exported"
        )
    wanted = {user for user, allows in allowed.items() if allows and (not only or user in only)}
    key, salt = settings.training_export_key.get_secret_value(), chance(SALT_BYTES)
    rows = 0
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        for row in _rows(client, settings, table, as_of):
            if row["user_id"] in wanted:
                file.write(orjson.dumps(anonymised(row, key, salt), default=_plain) + b"\n")
                rows += 1
    return Exported(rows, len(wanted), sum(not allows for allows in allowed.values()))


def exportable() -> list[str]:
    """The tables that can be exported."""
    return [name for name, table in FEATURES.items() if table.table.purpose and table.table.days_per_run == 1]


def _allowed(client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, as_of: date) -> dict[str, bool]:
    """Each user of the table's date, and whether the user allows its purpose now."""
    statement = f"""
SELECT known.user_id, IFNULL(consent_states.granted, @allowed_otherwise) AS allows
FROM (SELECT DISTINCT user_id FROM {table.name} WHERE as_of = @as_of) AS known
LEFT JOIN consent_states
  ON known.user_id = consent_states.user_id AND consent_states.purpose = '{table.place.purpose}'"""  # noqa: S608
    rows = ask(client, settings, statement, parameters(settings, Days(as_of, as_of), statement))
    return {row["user_id"]: row["allows"] for row in rows}


def _rows(client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, as_of: date) -> Iterator[Row]:
    """In no order that says anything of the users."""
    place = f"{dataset_id(settings, Dataset.FEATURES)}.{table.name}"
    statement = f"SELECT * FROM `{place}` WHERE as_of = @as_of ORDER BY MD5(user_id)"  # noqa: S608 - our own name
    yield from ask(client, settings, statement, parameters(settings, Days(as_of, as_of), statement))


def _plain(value: Any) -> str:  # noqa: ANN401 - what JSON has no form for: decimals
    return str(value)
