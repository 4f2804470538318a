"""What the job reads from the environment, and the Beam options that follow from it."""

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from shopstream.schemas import CloudSettings, RedisSettings, SettingsError

LEAST_KEY_CHARACTERS = 16


class PipelineSettings(CloudSettings, RedisSettings):
    """Settings of the streaming job and of back-fill."""

    dataflow_region: str = Field(
        "europe-west1", pattern=r"^[a-z]+-[a-z]+\d+$", description="Where Dataflow runs the job."
    )
    dataflow_staging: str | None = Field(
        None,
        pattern=r"^gs://.+",
        description="gs:// folder for Dataflow's own files; required on Google Cloud.",
    )
    dataflow_service_account: str | None = Field(
        None, pattern=r"^[^@\s]+@[^@\s]+$", description="E-mail of the account the job's workers run as."
    )
    dataflow_container_image: str | None = Field(
        None,
        min_length=1,
        description="Image with Shopstream installed; unset to let Beam build an sdist from setup.py.",
    )
    dataflow_job_name: str = Field(
        "shopstream",
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the Dataflow job.",
    )

    beam_job_endpoint: str | None = Field(
        None,
        pattern=r"^[^:/\s]+:\d+$",
        description="host:port of a Beam job server (Flink, Prism) that is to run a back-fill; unset to run it in this "
        "process where emulators are named, and on Dataflow otherwise.",
    )
    beam_worker_pool: str | None = Field(
        None,
        pattern=r"^[^:/\s]+:\d+$",
        description="host:port of Beam's Python worker pool, for the job server's workers; unset to have them in this "
        "process.",
    )
    beam_parallelism: int = Field(1, ge=1, le=10_000, description="Task slots to use on the job server.")

    bigquery_write_method: Literal["streaming_inserts", "storage_write"] = Field(
        "streaming_inserts",
        description="How events get into their raw tables: `streaming_inserts`, or `storage_write` for the Storage "
        "Write API, which stores each row once, is faster and costs half.",
    )
    bigquery_streams_per_table: int = Field(
        4, ge=1, le=1000, description="With `storage_write`: so many workers at most write to one table at a time."
    )
    failed_events_bucket: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$",
        description="Cloud Storage bucket that gets a copy of every failed event; unset for none.",
    )
    erase_buckets: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9._-]{1,220}[a-z0-9](,[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])*)?$",
        description="Buckets, apart by commas, that hold events as NDJSON, such as capture's: `privacy` looks there "
        "and in FAILED_EVENTS_BUCKET.",
    )
    monthly_budget: float | None = Field(
        None, gt=0, description="US dollars a month; `cost` ends with 1 where its estimate is higher. Unset for none."
    )
    privacy_key: SecretStr | None = Field(
        None,
        min_length=LEAST_KEY_CHARACTERS,
        description="Key of the hash that is kept of erased users; the same wherever the job or `privacy` runs. Who "
        "changes it lets late events of those erased before through.",
    )
    privacy_key_secret: str | None = Field(
        None,
        pattern=r"^projects/[^/\s]+/secrets/[^/\s]+/versions/[^/\s]+$",
        description="PRIVACY_KEY's place in Secret Manager, `projects/…/secrets/…/versions/…`: for a job on Dataflow, "
        "whose workers read it with their own account. The job takes no key itself, for its parameters can be seen.",
    )
    quality_thresholds: str = Field(
        "",
        description="Bounds that count instead of learned and default ones, apart by commas: "
        "`freshness.search<=30,volume.order>=0.5`.",
    )
    alert_topic: str | None = Field(
        None,
        min_length=3,
        max_length=255,
        pattern=r"^[A-Za-z][A-Za-z0-9_.~+%-]*$",
        description="The topic `alerts` tells; unset for none.",
    )
    alert_webhook_url: SecretStr | None = Field(
        None, description="The http:// or https:// address `alerts` POSTs to; unset for none."
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, min_length=16, description="What POSTs of `alerts` are signed with; unset for no signature."
    )
    alert_rules_file: str | None = Field(
        None, min_length=1, description="The rules of `alerts` as JSON; unset for the usual ones."
    )
    visit_shards: int = Field(
        64,
        ge=1,
        le=65_536,
        description="Into how many parts visitors are divided: a worker keeps the open visits of a part together. More "
        "parts for more workers or more visitors at a time, fewer for larger batches.",
    )
    live_features_enabled: bool = Field(
        False,
        description="Whether the streaming job keeps `live_sessions` and `live_reorders` between nightly jobs: an "
        "order changes what its user is predicted to buy again within seconds.",
    )
    test_traffic_prefixes: str = Field(
        "test-,synthetic-",
        pattern=r"^[^\s,]*(,[^\s,]+)*$",
        description="Beginnings, apart by commas, of a user_id or source whose events are test traffic.",
    )

    @field_validator("alert_webhook_url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not re.match(r"https?://[^/\s]+", url.get_secret_value()):
            raise ValueError("must begin with http:// or https://")
        return url

    @property
    def test_prefixes(self) -> tuple[str, ...]:
        """TEST_TRAFFIC_PREFIXES, one by one."""
        return tuple(self.test_traffic_prefixes.split(","))

    @property
    def on_dataflow(self) -> bool:
        """Whether Dataflow runs the job: neither a job server nor an emulator is named."""
        here = (self.beam_job_endpoint, self.pubsub_emulator_host, self.bigquery_emulator_host)
        return all(address is None for address in here)


def beam_arguments(
    settings: PipelineSettings, *, streaming: bool, setup_file: str | None = None, dry_run: bool = False
) -> list[str]:
    """The command line Beam would be given for these settings.

    Runners are named in full: Beam's DirectRunner tries to download another one.

    Raises:
        SettingsError: Google Cloud needs a setting that is missing, or only one emulator is named.
    """
    if not settings.on_dataflow:
        _refuse_half_a_stack(settings, streaming=streaming)
        runner = _job_server(settings, streaming=streaming) or ["--runner=FnApiRunner"]
        return [*runner, *(["--streaming"] if streaming else []), f"--project={settings.google_cloud_project}"]
    if settings.dataflow_staging is None:
        raise SettingsError(
            "DATAFLOW_STAGING is not set: Dataflow needs a gs:// folder. "
            "To run here instead, set PUBSUB_EMULATOR_HOST and BIGQUERY_EMULATOR_HOST."
        )
    if settings.privacy_key is not None:
        raise SettingsError(
            "PRIVACY_KEY would be seen by whoever sees the job on Dataflow: unset it, and name its place in Secret "
            "Manager by PRIVACY_KEY_SECRET"
        )
    return [
        "--runner=DataflowRunner",
        f"--project={settings.google_cloud_project}",
        f"--region={settings.dataflow_region}",
        f"--job_name={settings.dataflow_job_name}",
        f"--staging_location={settings.dataflow_staging}/staging",
        f"--temp_location={settings.dataflow_staging}/temp",
        *(["--streaming", "--enable_streaming_engine"] if streaming else []),
        *(
            [f"--service_account_email={settings.dataflow_service_account}"]
            if settings.dataflow_service_account
            else []
        ),
        *(["--dry_run=True"] if dry_run else []),
        *_code(settings, setup_file),
    ]


def _refuse_half_a_stack(settings: PipelineSettings, *, streaming: bool) -> None:
    if settings.pubsub_emulator_host is None and settings.bigquery_emulator_host is None:
        return
    if settings.bigquery_emulator_host is None:
        raise SettingsError("BIGQUERY_EMULATOR_HOST is not set though PUBSUB_EMULATOR_HOST is: name both or neither")
    if settings.bigquery_write_method == "storage_write" and settings.bigquery_storage_emulator_host is None:
        raise SettingsError("BIGQUERY_STORAGE_EMULATOR_HOST is not set: BIGQUERY_WRITE_METHOD=storage_write needs it")
    if streaming and settings.pubsub_emulator_host is None:
        raise SettingsError("PUBSUB_EMULATOR_HOST is not set though BIGQUERY_EMULATOR_HOST is: name both or neither")


def _job_server(settings: PipelineSettings, *, streaming: bool) -> list[str]:
    if settings.beam_job_endpoint is None:
        return []
    if streaming:
        raise SettingsError("BEAM_JOB_ENDPOINT is set, which serves back-fill only: unset it to run the streaming job")
    workers = (
        ["--environment_type=LOOPBACK"]
        if settings.beam_worker_pool is None
        else ["--environment_type=EXTERNAL", f"--environment_config={settings.beam_worker_pool}"]
    )
    return [
        "--runner=PortableRunner",
        f"--job_endpoint={settings.beam_job_endpoint}",
        f"--parallelism={settings.beam_parallelism}",
        *workers,
    ]


def _code(settings: PipelineSettings, setup_file: str | None) -> list[str]:
    if settings.dataflow_container_image:
        return [f"--sdk_container_image={settings.dataflow_container_image}", "--sdk_location=container"]
    return [f"--setup_file={setup_file}"] if setup_file else []
