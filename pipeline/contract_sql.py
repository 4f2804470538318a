"""The contract of an event type as a condition in SQL, made of the JSON Schema that the models give.

What a column's type says needs no condition; scrubbing and unknown fields are no promises of the schema.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shopstream.schemas import EVENT_TYPES
from shopstream.schemas.landing import PUBLISHED_AT
from shopstream.schemas.validation import AHEAD_ACCEPTED, EARLIEST

_MOST = 2**63 - 1
"""A bound that the column's type has anyway."""
_BOUNDS = {
    "minimum": "{value} < {bound}",
    "exclusiveMinimum": "{value} <= {bound}",
    "maximum": "{value} > {bound}",
    "minLength": "CHAR_LENGTH({value}) < {bound}",
    "maxLength": "CHAR_LENGTH({value}) > {bound}",
    "minItems": "ARRAY_LENGTH({value}) < {bound}",
    "maxItems": "ARRAY_LENGTH({value}) > {bound}",
    "pattern": "NOT REGEXP_CONTAINS({value}, r'{bound}')",
    "enum": "{value} NOT IN ({bound})",
}
"""What each word of a schema forbids."""
_Schema = Mapping[str, Any]


def breaks_contract(event_type: str) -> str:
    """What is true of a row of this type in the landing table that breaks the contract, and of no other."""
    schema = EVENT_TYPES[event_type].model_json_schema()
    conditions = [
        f"occurred_at < TIMESTAMP '{EARLIEST.isoformat()}'",
        f"occurred_at > TIMESTAMP_ADD({PUBLISHED_AT}, INTERVAL {AHEAD_ACCEPTED.days} DAY)",
        *_of_object(schema, schema.get("$defs", {}), ""),
    ]
    # One that compares with a null is null itself, and forbids nothing.
    return f"IFNULL({' OR '.join(conditions)}, FALSE)"


def _of_object(schema: _Schema, others: Mapping[str, _Schema], scope: str) -> Iterator[str]:
    for name, field in schema["properties"].items():
        value, kind = f"{scope}{name}", _resolved(field, others)
        if name in schema.get("required", ()):
            # A column that is repeated is never null.
            yield f"ARRAY_LENGTH({value}) = 0" if kind["type"] == "array" else f"{value} IS NULL"
        yield from _of_value(kind, others, value)


def _of_value(kind: _Schema, others: Mapping[str, _Schema], value: str) -> Iterator[str]:
    for word, condition in _BOUNDS.items():
        bound = kind.get(word)
        if isinstance(bound, list):
            bound = ", ".join(f"'{each}'" for each in bound)
        if bound is not None and bound != _MOST:
            yield condition.format(value=value, bound=bound)
    if kind["type"] == "object":
        inner = " OR ".join(_of_object(kind, others, f"{value}."))
        # A record that is null is not one whose fields are missing.
        yield f"({value} IS NOT NULL AND ({inner}))"
    elif kind["type"] == "array":
        each = _resolved(kind["items"], others)
        found = (
            _of_object(each, others, "each_one.") if each["type"] == "object" else _of_value(each, others, "each_one")
        )
        if inner := " OR ".join(found):
            yield f"EXISTS (SELECT 1 FROM UNNEST({value}) AS each_one WHERE {inner})"  # noqa: S608 - our own names


def _resolved(field: _Schema, others: Mapping[str, _Schema]) -> _Schema:
    """The one kind a field has beside null; of an amount the number, for its form as text has no bounds."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    kind = next((each for each in kinds if each.get("type") == "number"), kinds[0])
    return others[kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind
