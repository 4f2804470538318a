"""A model becomes the columns of a BigQuery table, as the plain dictionaries of BigQuery's REST API."""

import hashlib
import types
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import orjson
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

Column = dict[str, Any]

_SCALARS: dict[object, str] = {
    str: "STRING",
    int: "INTEGER",
    float: "FLOAT",
    bool: "BOOLEAN",
    Decimal: "NUMERIC",
    datetime: "TIMESTAMP",
    AwareDatetime: "TIMESTAMP",
    date: "DATE",
}


def columns_of(*models: type[BaseModel]) -> list[Column]:
    """The columns of a table that carries the fields of these models, in their order.

    Raises:
        TypeError: A field has a type no column stands for; names the field.
    """
    return [_column(name, field) for model in models for name, field in model.model_fields.items()]


def contract_hash(columns: Sequence[Column]) -> str:
    """A short name for exactly these columns: the value of a table's `contract` label."""
    return hashlib.sha256(orjson.dumps(columns, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _column(name: str, field: FieldInfo) -> Column:
    annotation, nullable = _without_none(field.annotation)
    annotation, repeated = _without_tuple(annotation)
    column: Column = {"name": name, **_type(name, annotation)}
    # A column with a default is nullable, so that rows of an older version stay readable.
    column["mode"] = "REPEATED" if repeated else "REQUIRED" if field.is_required() and not nullable else "NULLABLE"
    column["description"] = field.description or ""
    return column


def _type(name: str, annotation: Any) -> Column:  # noqa: ANN401 - a type is any object
    if get_origin(annotation) is Literal:
        annotation = str
    if get_origin(annotation) is dict:
        return {"type": "JSON"}
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return {"type": "STRING"}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {"type": "RECORD", "fields": columns_of(annotation)}
    if annotation not in _SCALARS:
        raise TypeError(f"the field {name} has type {annotation!r}, for which there is no BigQuery column")
    return {"type": _SCALARS[annotation]}


def _bare(annotation: Any) -> Any:  # noqa: ANN401
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _without_none(annotation: Any) -> tuple[Any, bool]:  # noqa: ANN401
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        if len(kinds) == 1:
            return _bare(kinds[0]), True
    return _bare(annotation), False


def _without_tuple(annotation: Any) -> tuple[Any, bool]:  # noqa: ANN401
    if get_origin(annotation) is tuple:
        return _bare(get_args(annotation)[0]), True
    return annotation, False
