"""The streaming job as it runs here, with one more step that notes when each tick's events were stored.

Example: python -m benchmarks.scale.job stored.txt
"""

import os
import signal
import sys
from collections import Counter
from dataclasses import replace

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from shopstream.pipeline.acknowledge import Fates, acknowledge
from shopstream.pipeline.batches import Batch
from shopstream.pipeline.clock import utc_now
from shopstream.pipeline.graph import build
from shopstream.pipeline.jobs import job_of
from shopstream.pipeline.local_runner import add_up_metrics_at_once
from shopstream.pipeline.options import PipelineSettings, beam_arguments
from shopstream.pipeline.pull import PullMessages
from shopstream.schemas import read_settings

DUE = "due"
"""The attribute of a message that says when its events were due, in seconds since 1970."""


class Note:
    """Appends a line for each tick among the rows BigQuery has just taken: when, when due, how many."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, rows: Batch) -> None:
        """A batch that is stored."""
        now = utc_now().timestamp()
        counted = Counter(row.line.delivery.attributes[DUE] for row in rows)
        lines = "".join(f"{now:.6f} {due} {events}\n" for due, events in counted.items())
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, lines.encode())
        os.close(file)


def main(path: str) -> None:
    """Run until SIGTERM."""
    settings = read_settings(PipelineSettings, os.environ)
    add_up_metrics_at_once()

    def acknowledge_and_note(fates: Fates) -> None:
        acknowledge(fates, settings, utc_now)
        fates.stored | "Note" >> beam.Map(Note(path))

    source = PullMessages(settings, utc_now)
    job = replace(job_of(settings, source, utc_now, streaming=True), acknowledge=acknowledge_and_note)
    pipeline = beam.Pipeline(options=PipelineOptions(beam_arguments(settings, streaming=True)))
    build(pipeline, job)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    pipeline.run()


if __name__ == "__main__":
    main(sys.argv[1])
