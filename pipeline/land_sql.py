"""The statements that move what waits in the landing table; what they read of any table @first and @last bound."""

import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from pydantic_core import PydanticUndefined

from shopstream.schemas import EVENT_TYPES, CloudSettings
from shopstream.schemas.bigquery_schema import Column, columns_of
from shopstream.schemas.landing import LANDING_COLUMNS, METADATA, PUBLISHED_AT, landing_table_id
from shopstream.schemas.message import FAILED_EVENT
from shopstream.schemas.warehouse import RAW_TABLES, failed_table_id, raw_table_id

from .contract_sql import breaks_contract

REFUSED_AT_ONCE = 5_000
"""So many refused rows are looked at by one run; the next one has the others."""
_WITHIN = "BETWEEN @first AND @last"
_HERE = f"{PUBLISHED_AT} {_WITHIN}"
_TYPE = f"COALESCE(event_type, IF(stage IS NULL, '', '{FAILED_EVENT}'))"
"""What a row is, by the event itself; what capture refused has no type, and a stage as nothing else has."""


def waiting_rows(settings: CloudSettings) -> str:
    """Reads how much waits of each event type, and published within which moments."""
    return (
        f"SELECT {_TYPE} AS event_type, COUNT(*) AS n, MIN({PUBLISHED_AT}) AS first, MAX({PUBLISHED_AT}) AS last\n"
        f"FROM {_landing(settings)}\nGROUP BY 1 ORDER BY 1"
    )


def store(settings: CloudSettings, event_type: str) -> str:
    """Inserts what keeps its contract into the raw table, each event once."""
    values = _row_values(event_type)
    return (
        f"INSERT INTO {_raw(settings, event_type)} ({', '.join(values)})\nSELECT {', '.join(values.values())}\n"
        f"FROM {_landing(settings)}\nWHERE {_HERE} AND {_TYPE} = '{event_type}' AND NOT {_is_erased()}\n"
        f"AND NOT {breaks_contract(event_type)} AND NOT {_is_stored(settings, event_type)}\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY {PUBLISHED_AT}) = 1"
    )


def refused_rows(settings: CloudSettings) -> str:
    """Reads, as it came, what breaks its contract, is of no known type, or was refused by capture."""
    fields = ", ".join(f"{_as_text(column)} AS {column['name']}" for column in LANDING_COLUMNS[: -len(METADATA)])
    breaches = " ".join(f"WHEN '{event_type}' THEN {breaks_contract(event_type)}" for event_type in EVENT_TYPES)
    return (
        f"SELECT {_TYPE} AS event_type, TO_JSON_STRING(JSON_STRIP_NULLS(TO_JSON(STRUCT({fields})))) AS document,\n"
        f"user_id, message_id, {PUBLISHED_AT}, TO_JSON_STRING(attributes) AS attributes\nFROM {_landing(settings)}\n"
        f"WHERE {_HERE} AND ({_is_erased()} OR CASE {_TYPE} {breaches} ELSE TRUE END) AND NOT {_is_failed(settings)}\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY message_id ORDER BY {PUBLISHED_AT}) = 1\nLIMIT {REFUSED_AT_ONCE}"
    )


def clear(settings: CloudSettings, event_types: Sequence[str]) -> str:
    """Deletes what is seen in the raw table of its type, or among the failed events."""
    seen = [f"({_TYPE} = '{event_type}' AND {_is_stored(settings, event_type)})" for event_type in event_types]
    seen.append(_is_failed(settings))
    return f"DELETE FROM {_landing(settings)}\nWHERE {_HERE} AND ({' OR '.join(seen)})"  # noqa: S608 - our own names


def _landing(settings: CloudSettings) -> str:
    return f"`{landing_table_id(settings)}`"


def _raw(settings: CloudSettings, event_type: str) -> str:
    return f"`{raw_table_id(settings, event_type)}`"


def _is_stored(settings: CloudSettings, event_type: str) -> str:
    return f"event_id IN (SELECT event_id FROM {_raw(settings, event_type)} WHERE received_at {_WITHIN})"  # noqa: S608


def _is_failed(settings: CloudSettings) -> str:
    return f"message_id IN (SELECT message_id FROM `{failed_table_id(settings)}` WHERE received_at {_WITHIN})"  # noqa: S608


def _is_erased() -> str:
    return "IFNULL(user_id IN UNNEST(@erased), FALSE)"


def _as_text(column: Column) -> str:
    if column["type"] == "TIMESTAMP":
        return f"FORMAT_TIMESTAMP('%FT%H:%M:%E6SZ', {column['name']})"
    return str(column["name"])


def _row_values(event_type: str) -> dict[str, str]:
    """What each column of the raw table gets; those that only a visit tells stay null."""
    model = EVENT_TYPES[event_type]
    values = {
        column["name"]: _or_default(column, model.model_fields[column["name"]].default) for column in columns_of(model)
    }
    prefixed = "STARTS_WITH(source, prefix) OR STARTS_WITH(user_id, prefix)"
    is_test = f"EXISTS (SELECT 1 FROM UNNEST(@test_prefixes) AS prefix WHERE {prefixed})"  # noqa: S608 - our own names
    values |= {"traffic": f"COALESCE(traffic, IF({is_test}, 'test', NULL))"}
    values |= {"received_at": PUBLISHED_AT, "ingested_at": "@now"}
    derived = {"session_inferred": "IF(session_id IS NULL, NULL, FALSE)", "normalised_query": normalised_query_sql()}
    names = {column["name"] for column in RAW_TABLES[event_type].columns}
    return values | {name: value for name, value in derived.items() if name in names}


def _or_default(column: Column, default: object) -> str:
    name = str(column["name"])
    if column["mode"] == "REPEATED":
        return f"IFNULL({name}, [])"
    if default is None or default is PydanticUndefined:
        return name
    return f"COALESCE({name}, {default!r})"


@cache
def normalised_query_sql() -> str:
    """What schemas/normalised_query.py makes of a query: features compare queries that came by either way."""
    plain = "NORMALIZE_AND_CASEFOLD(REPLACE(query, '\N{RIGHT SINGLE QUOTATION MARK}', \"'\"), NFKD)"
    letters = f"REGEXP_REPLACE({plain}, r'{_class(_is_combining)}', '')"
    return f"TRIM(REGEXP_REPLACE({letters}, r'{_class(str.isspace)}+', ' '))"


def _is_combining(character: str) -> bool:
    return unicodedata.combining(character) > 0


def _class(holds: Callable[[str], bool]) -> str:
    """The characters of which it holds, as a class of a regular expression: RE2 has no name for just these."""
    return f"[{''.join(_ranges([code for code in range(sys.maxunicode + 1) if holds(chr(code))]))}]"


def _ranges(codes: list[int]) -> Iterator[str]:
    start = 0
    for index, code in enumerate(codes):
        if index + 1 == len(codes) or codes[index + 1] != code + 1:
            yield rf"\x{{{codes[start]:x}}}-\x{{{code:x}}}"
            start = index + 1
