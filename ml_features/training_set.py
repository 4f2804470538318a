"""Training sets: features as they were known at past dates, what was bought after, and nobody who can be told."""

import gzip
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from google.cloud import bigquery

from shopstream.schemas import SettingsError
from shopstream.schemas.warehouse import dataset_id

from .catalog import FeatureTable
from .models.reorder import BOUGHT
from .parameters import Days, parameters
from .settings import FeatureSettings
from .warehouse import Row, ask

SALT_BYTES = 16
TRAINING_TABLES = ("reorders", "customer_outlooks", "profiles")
"""What a training set can be made of: features of users by as_of, the most detailed first. What a model of its own says
is nothing to train another on."""

Chance = Callable[[int], bytes]
"""So many random bytes."""


@dataclass(frozen=True)
class Written:
    """What a training set came to."""

    rows: int
    users: int
    left_out: int
    """Users of whom the tables have rows, and who do not allow their purpose."""


def pseudonym(user_id: str, key: str, salt: bytes) -> str:
    """What stands for the user in one set: HMAC-SHA-256 of salt and user_id, the first 32 hexadecimal digits.

    The salt is drawn for one set and kept nowhere, so two sets cannot be joined, and whoever has the key cannot try
    user_ids either.
    """
    return hmac.new(key.encode(), salt + user_id.encode(), hashlib.sha256).hexdigest()[:32]


def anonymised(row: Row, key: str, salt: bytes) -> Row:
    """The row without what points at a person: the user_id as its pseudonym, exact times left out."""
    kept = {name: value for name, value in row.items() if not isinstance(value, datetime)}
    return kept | {"user_id": pseudonym(row["user_id"], key, salt)}


def write_training_set(
    client: bigquery.Client,
    settings: FeatureSettings,
    tables: Sequence[FeatureTable],
    as_of: Sequence[date],
    path: Path,
    *,
    today: date,
    chance: Chance,
    only: Sequence[str] = (),
) -> Written:
    """Write the tables' rows of each date, joined, with the answers, as NDJSON; compressed where the name ends in .gz.

    One row is one user, and with `reorders` one user and product. Columns of every table but the first are named
    TABLE_COLUMN. The answers `bought_within_7_days` and `bought_within_30_days` are what followed the date, of the
    product or, without `reorders`, of anything; null while the days are not over. The features are those of
    partitions as_of, made of what was known by then; no answer is among them.

    Args:
        client: Of the warehouse.
        settings: Where the tables are.
        tables: Some of TRAINING_TABLES.
        as_of: The dates.
        path: The file.
        today: The day before which answers are complete.
        chance: Draws the salt.
        only: Users the set is about; all when empty.

    Raises:
        SettingsError: A table cannot be trained on, has no rows of a date, TRAINING_EXPORT_KEY is not set, or one of
            `only` does not allow a table's purpose; nothing is written then.
        Unavailable: BigQuery does not answer.
    """
    for table in tables:
        if table.name not in TRAINING_TABLES:
            raise SettingsError(f"{table.name} is no table of users by as_of; there are {', '.join(TRAINING_TABLES)}")
    if settings.training_export_key is None:
        raise SettingsError("TRAINING_EXPORT_KEY is not set: without a key a pseudonym could be guessed")
    # Where products are told apart, every row is about one.
    joined = sorted(tables, key=lambda table: "product_id" not in table.columns)
    allowed: dict[str, bool] = {}
    for day in as_of:
        found = _allowed(client, settings, joined, day)
        if not found:
            raise SettingsError(
                f"{joined[0].name} has no rows of {day}: make them with "
                f"`shopstream-features backfill --from {day} --to {day}`"
            )
        allowed |= found
    if refusing := [user for user in only if not allowed.get(user, settings.allowed_otherwise)]:
        raise SettingsError(f"{len(refusing)} of {len(only)} users do not allow this; nothing was written")
    wanted = {user for user, allows in allowed.items() if allows and (not only or user in only)}
    key, salt = settings.training_export_key.get_secret_value(), chance(SALT_BYTES)
    rows = 0
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        for day in as_of:
            for row in _rows(client, settings, joined, day, today):
                if row["user_id"] in wanted:
                    file.write(orjson.dumps(anonymised(row, key, salt), default=_plain) + b"\n")
                    rows += 1
    return Written(rows, len(wanted), sum(not allows for allows in allowed.values()))


def _allowed(
    client: bigquery.Client, settings: FeatureSettings, tables: Sequence[FeatureTable], as_of: date
) -> dict[str, bool]:
    """Each user of the first table's date, and whether the user allows the purpose of every table now."""
    allows: dict[str, bool] = {}
    for purpose in sorted({str(table.place.purpose) for table in tables}):
        statement = f"""
SELECT known.user_id, IFNULL(consent_states.granted, @allowed_otherwise) AS allows
FROM (SELECT DISTINCT user_id FROM {tables[0].name} WHERE as_of = @as_of) AS known
LEFT JOIN consent_states
  ON known.user_id = consent_states.user_id AND consent_states.purpose = '{purpose}'"""  # noqa: S608 - our own names
        for row in ask(client, settings, statement, parameters(settings, Days(as_of, as_of), statement)):
            allows[row["user_id"]] = row["allows"] and allows.get(row["user_id"], True)
    return allows


def _rows(
    client: bigquery.Client, settings: FeatureSettings, tables: Sequence[FeatureTable], as_of: date, today: date
) -> Iterator[Row]:
    """In no order that says anything of the users."""
    first, *others = tables
    grain = ("user_id", "product_id") if "product_id" in first.columns else ("user_id",)
    keys = ", ".join(grain)
    columns = [f"{first.name}.{name}" for name in first.columns]
    joins = ""
    for table in others:
        columns += [
            f"{table.name}.{name} AS {table.name}_{name}" for name in table.columns if name not in ("user_id", "as_of")
        ]
        place = f"{dataset_id(settings, table.place.dataset)}.{table.name}"
        joins += (
            f"LEFT JOIN (SELECT * FROM `{place}` WHERE as_of = @as_of) AS {table.name}\n"  # noqa: S608 - our own names
            f"  ON {first.name}.user_id = {table.name}.user_id\n"
        )
    columns += [_answer(days, over=as_of + timedelta(days=days) < today) for days in BOUGHT]
    statement = f"""
WITH bought AS (
  SELECT user_id, product_id, order_id, MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at
  FROM purchases
  WHERE
    received_on >= @as_of
    AND ordered_at >= TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL {max(BOUGHT) + 1} DAY))
  GROUP BY user_id, product_id, order_id
  HAVING SUM(IF(status = 'placed', quantity, -quantity)) > 0
),
answers AS (SELECT {keys}, MIN(ordered_at) AS ordered_at FROM bought GROUP BY {keys})
SELECT {", ".join(columns)}
FROM `{dataset_id(settings, first.place.dataset)}.{first.name}` AS {first.name}
{joins}LEFT JOIN answers ON {" AND ".join(f"{first.name}.{name} = answers.{name}" for name in grain)}
WHERE {first.name}.as_of = @as_of
ORDER BY MD5({first.name}.user_id){"".join(f", {first.name}.{name}" for name in grain[1:])}"""  # noqa: S608 - our own names
    yield from ask(client, settings, statement, parameters(settings, Days(as_of, as_of), statement))


def _answer(days: int, *, over: bool) -> str:
    until = f"TIMESTAMP(DATE_ADD(@as_of, INTERVAL {days + 1} DAY))"
    return f"{f'IFNULL(answers.ordered_at < {until}, FALSE)' if over else 'NULL'} AS bought_within_{days}_days"


def _plain(value: Any) -> str:  # noqa: ANN401 - what JSON has no form for: decimals
    return str(value)
