"""What a team would write from Beam's own examples: one event an element, json, pydantic, one dictionary a row."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.bigquery import BigQueryDisposition, WriteToBigQuery
from apache_beam.pvalue import TaggedOutput
from pydantic import TypeAdapter, ValidationError

from shopstream.schemas import AnyEvent

from . import null_sink

_EVENT: TypeAdapter[Any] = TypeAdapter(AnyEvent)


class Parse(beam.DoFn):
    """Bytes of one event become its row."""

    def process(self, line: bytes) -> Iterator[dict[str, Any] | TaggedOutput]:
        """The row, or the line at `failed`."""
        try:
            event = _EVENT.validate_json(json.dumps(json.loads(line)))
        except (json.JSONDecodeError, ValidationError):
            yield TaggedOutput("failed", line)
            return
        yield event.model_dump(mode="json") | {"received_at": datetime.now(UTC).isoformat()}


class _TakesEverything:
    """A BigQuery client that answers at once, so that what is measured is Beam's sink and not a server."""

    def insert_rows_json(self, _: object, json_rows: Sequence[object], **__: object) -> list[object]:
        """Every row is taken."""
        null_sink.take(len(json_rows))
        return []


def flow(lines: beam.PCollection[bytes], *, with_beams_sink: bool) -> None:
    """Parse, route by event_type, write; failures apart."""
    parsed = lines | "Parse" >> beam.ParDo(Parse()).with_outputs("failed", main="rows")
    parsed.failed | "Failed" >> beam.ParDo(null_sink.CountOne())
    if with_beams_sink:
        parsed.rows | "Write" >> WriteToBigQuery(
            table=_table_of,
            method=WriteToBigQuery.Method.STREAMING_INSERTS,
            create_disposition=BigQueryDisposition.CREATE_NEVER,
            test_client=_TakesEverything(),
        )
    else:
        routed = parsed.rows | "Route" >> beam.Map(lambda row: (row["event_type"], row))
        routed | "Write" >> beam.ParDo(null_sink.CountOne())


def _table_of(row: dict[str, Any]) -> str:
    return f"shop-project:shop.{row['event_type']}"
