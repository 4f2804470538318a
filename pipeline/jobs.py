"""The two runs of the flow: streaming from the subscription, and batch over files."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult

from shopstream.schemas import SettingsError

from .acknowledge import acknowledge
from .clock import Clock
from .counters import NAMESPACE
from .enrich_in_visits import EnrichInVisits
from .graph import Job, build
from .live_features import LiveFeatures
from .local_runner import add_up_metrics_at_once
from .options import PipelineSettings, beam_arguments
from .pull import PullMessages
from .sources import FromFiles, FromSubscription
from .tombstones import Tombstones
from .write_failed import WriteFailed
from .write_storage import StorageWrites
from .write_streaming import InsertEvents


def streaming_pipeline(
    settings: PipelineSettings,
    now: Clock,
    *,
    setup_file: str | None = None,
    dry_run: bool = False,
    options: Sequence[str] = (),
) -> beam.Pipeline:
    """The job that reads the subscription until it is cancelled or drained; a dry run only builds Dataflow's graph.

    Options of Beam that are given win over those that follow from the settings.
    """
    arguments = beam_arguments(settings, streaming=True, setup_file=setup_file, dry_run=dry_run)
    pipeline = beam.Pipeline(options=PipelineOptions([*arguments, *options]))
    job = job_of(settings, FromSubscription(settings), now, streaming=True)
    if not settings.on_dataflow:
        add_up_metrics_at_once()
        acknowledging = partial(acknowledge, settings=settings, now=now)
        job = replace(job, source=PullMessages(settings, now), acknowledge=acknowledging)
    build(pipeline, job)
    return pipeline


def backfill_pipeline(
    settings: PipelineSettings, pattern: str, now: Clock, *, setup_file: str | None = None
) -> beam.Pipeline:
    """The same flow once over files of one event a line.

    Raises:
        SettingsError: No file matches the pattern.
    """
    arguments = beam_arguments(settings, streaming=False, setup_file=setup_file)
    if not FileSystems.match([pattern])[0].metadata_list:
        raise SettingsError(f"no file matches {pattern}")
    pipeline = beam.Pipeline(options=PipelineOptions(arguments))
    build(pipeline, job_of(settings, FromFiles(pattern, now), now, streaming=False))
    return pipeline


def job_of(settings: PipelineSettings, source: beam.PTransform, now: Clock, *, streaming: bool) -> Job:
    """What the flow is made of, by the settings."""
    enrich = EnrichInVisits(settings, now, streaming=streaming)
    if settings.bigquery_write_method == "storage_write":
        sink: beam.PTransform = StorageWrites(settings, now)
    else:
        sink = InsertEvents(settings, now)
    tombstones = Tombstones.of(settings)
    is_live = streaming and (settings.live_features_enabled or settings.redis_enabled)
    live = LiveFeatures(settings, now) if is_live else None
    return Job(source, enrich, sink, WriteFailed(settings, tombstones, now), now, tombstones, live)


def counts(result: PipelineResult) -> dict[str, int]:
    """The job's counters by name, over all its steps."""
    totals: dict[str, int] = {}
    for counter in result.metrics().query()["counters"]:
        if counter.key.metric.namespace != NAMESPACE:
            continue  # Engines count for themselves as well.
        name = counter.key.metric.name
        totals[name] = totals.get(name, 0) + (counter.committed or 0)
    return totals
