"""A message becomes a row by a table's schema, as a BigQuery subscription with `use_table_schema` makes it.

The rules are those of https://docs.cloud.google.com/pubsub/docs/create-bigquery-subscription. Of the conversions that
page does not name, only those are made that change nothing: a text to STRING, a whole number to INTEGER, an object to
RECORD, an array to a repeated column. No clock and no I/O.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from .backlog import Message

Column = Mapping[str, Any]
Row = dict[str, Any]


class Unwritable(Exception):
    """BigQuery would refuse this message whenever it came; says which field, and no value."""


@dataclass(frozen=True)
class TableTarget:
    """Where a BigQuery subscription writes, and how."""

    table: str
    """project.dataset.table."""
    write_metadata: bool = False
    drop_unknown_fields: bool = False


def row_of(message: Message, subscription: str, target: TableTarget, columns: Sequence[Column]) -> Row:
    """The row of a message.

    Raises:
        Unwritable: It does not fit the table.
    """
    try:
        fields = json.loads(message.content.data)
    except ValueError:  # Bytes that are no UTF-8 as well, so a compressed message.
        raise Unwritable("the message is not JSON") from None
    if not isinstance(fields, dict):
        raise Unwritable("the message is not a JSON object")
    if target.write_metadata:
        attributes = dict(message.content.attributes)
        if message.content.ordering_key:
            attributes["orderingKey"] = message.content.ordering_key
        fields |= {
            "subscription_name": subscription,
            "message_id": message.message_id,
            "publish_time": datetime.fromtimestamp(message.published_at, UTC).isoformat(),
            "attributes": json.dumps(attributes),
        }
    return _record(fields, columns, target, "")


def _record(fields: Mapping[str, Any], columns: Sequence[Column], target: TableTarget, path: str) -> Row:
    unknown = fields.keys() - {column["name"] for column in columns}
    if unknown and not target.drop_unknown_fields:
        raise Unwritable(f"{path}{min(unknown)} is not a column")
    return {column["name"]: _value(fields.get(column["name"]), column, target, path) for column in columns}


def _value(value: Any, column: Column, target: TableTarget, path: str) -> Any:  # noqa: ANN401 - anything JSON has
    name, mode = f"{path}{column['name']}", column.get("mode", "NULLABLE")
    if mode == "REPEATED":
        if not isinstance(value, list | None):
            raise Unwritable(f"{name} is not an array")
        one = {**column, "mode": "REQUIRED"}
        return [_value(each, one, target, path) for each in value or ()]
    if value is None:
        if mode == "REQUIRED":
            raise Unwritable(f"{name} is REQUIRED and not in the message")
        return None
    if column["type"] in ("RECORD", "STRUCT"):
        if not isinstance(value, dict):
            raise Unwritable(f"{name} is not an object")
        return _record(value, column["fields"], target, f"{name}.")
    try:
        return _CONVERSIONS[column["type"]](value)
    except (TypeError, ValueError, InvalidOperation):
        raise Unwritable(f"{name} does not convert to {column['type']}") from None


def _exactly(kind: type, *, but: type | None = None) -> Callable[[Any], Any]:
    def take(value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, kind) or (but is not None and isinstance(value, but)):
            raise TypeError
        return value

    return take


def _whole(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, bool) or value != int(value) or not -(2**63) <= value < 2**63:
        raise TypeError
    return int(value)


def _float(value: Any) -> float:  # noqa: ANN401
    return float(_exactly(int | float, but=bool)(value))  # type: ignore[arg-type]


def _decimal(value: Any) -> str:  # noqa: ANN401
    """29 digits before the point and 9 after it, as NUMERIC has them."""
    amount = Decimal(str(_exactly(int | float | str, but=bool)(value)))  # type: ignore[arg-type]
    if abs(amount) >= 10**29 or amount != round(amount, 9):
        raise ValueError
    return f"{amount:f}"


def _moment(value: Any) -> str:  # noqa: ANN401
    """A text as BigQuery reads it, or microseconds since 1970."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).isoformat()
    return datetime.fromtimestamp(_whole(value) / 1_000_000, UTC).isoformat()


def _json_text(value: Any) -> str:  # noqa: ANN401
    json.loads(_exactly(str)(value))
    return str(value)


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "STRING": _exactly(str),
    "BOOLEAN": _exactly(bool),
    "INTEGER": _whole,
    "FLOAT": _float,
    "NUMERIC": _decimal,
    "TIMESTAMP": _moment,
    "DATE": lambda value: date.fromisoformat(value).isoformat(),
    "JSON": _json_text,
}
