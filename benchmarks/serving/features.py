"""Twenty features a user, of the kinds there are: what is read and published beside the peers."""

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Any, ClassVar

import msgspec
import pyarrow as pa
from pydantic import BaseModel

from shopstream.schemas.serving.views import ServedView
from shopstream.schemas.table import Dataset, Table

AS_OF = date(2026, 11, 20)
_NUMBERS, _COUNTS, _WORDS = 12, 5, 3
USERS_A_BATCH = 10_000


class UserFeatures(BaseModel):
    """The table they would be from."""

    table: ClassVar[Table] = Table("user_features", Dataset.FEATURES, partition_by="as_of", expiry_days=None)


_FIELDS: list[tuple[str, type]] = [
    *((f"number_{place}", float) for place in range(_NUMBERS)),
    *((f"count_{place}", int) for place in range(_COUNTS)),
    *((f"word_{place}", str) for place in range(_WORDS)),
]
NAMES = tuple(name for name, _ in _FIELDS)
Twenty = msgspec.defstruct("Twenty", _FIELDS, array_like=True, frozen=True, gc=False)
TWENTY: ServedView[Any] = ServedView("twenty", UserFeatures, Twenty, "user_id")


def user(number: int) -> str:
    """The id of a user by number."""
    return f"user-{number:07d}"


def values(random: Random) -> tuple[Any, ...]:
    """A user's features."""
    return (
        *(random.random() for _ in range(_NUMBERS)),
        *(random.randrange(1000) for _ in range(_COUNTS)),
        *(random.choice(("dairy", "bakery", "fruit and vegetables")) for _ in range(_WORDS)),
    )


def batches(users: int, seed: int = 1) -> Iterator[pa.RecordBatch]:
    """The features of so many users, in the form of `view_batches`: what BigQuery's client gives."""
    random = Random(seed)
    some = [values(random) for _ in range(USERS_A_BATCH)]
    columns = [pa.array(column) for column in zip(*some, strict=True)]
    for begin in range(0, users, USERS_A_BATCH):
        count = min(USERS_A_BATCH, users - begin)
        keys = pa.array([user(number) for number in range(begin, begin + count)])
        parts = [keys, *(column.slice(0, count) for column in columns)]
        yield pa.RecordBatch.from_arrays(parts, names=["served_by", *NAMES])
