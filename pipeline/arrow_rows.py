"""Rows in JSON become Arrow record batches, the form of the Storage Write API that costs a row the least."""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.json as arrow_json

from shopstream.schemas.bigquery_schema import Column

_TYPES: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "NUMERIC": pa.decimal128(38, 9),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
    "DATE": pa.date32(),
    "JSON": pa.string(),
}
"""As in https://cloud.google.com/bigquery/docs/supported-data-types, "Supported Apache Arrow data types"."""


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of a table's columns."""
    return pa.schema([_field(column) for column in columns])


def record_batch(documents: Sequence[bytes], schema: pa.Schema) -> pa.RecordBatch:
    """The rows as one batch.

    Raises:
        pyarrow.ArrowInvalid: A row does not fit the schema.
    """
    body = b"\n".join(documents)
    table = arrow_json.read_json(
        io.BytesIO(body),
        # One block: a batch is what one request carries. One thread: workers are as many as there are cores.
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(body) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )
    return table.combine_chunks().to_batches()[0]


def _field(column: Column) -> pa.Field:
    # All nullable: what is required, the contract has seen to, and a RECORD that is null has parts that are.
    return pa.field(column["name"], _type(column))


def _type(column: Column) -> Any:  # noqa: ANN401 - one of pyarrow's many
    is_record = column["type"] == "RECORD"
    one = pa.struct([_field(part) for part in column["fields"]]) if is_record else _TYPES[column["type"]]
    return pa.list_(one) if column["mode"] == "REPEATED" else one
