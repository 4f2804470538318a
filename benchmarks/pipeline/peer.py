"""What a team would write from Beam's own examples: one event an element, json, pydantic, one dictionary a row."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from pydantic import TypeAdapter, ValidationError

from shopstream.schemas import AnyEvent

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


def flow(lines: beam.PCollection[bytes], sink: beam.DoFn) -> None:
    """Parse, route by event_type, write; failures apart."""
    parsed = lines | "Parse" >> beam.ParDo(Parse()).with_outputs("failed", main="rows")
    parsed.rows | "Route" >> beam.Map(lambda row: (row["event_type"], row)) | "Write" >> beam.ParDo(sink)
    parsed.failed | "Failed" >> beam.ParDo(sink)
