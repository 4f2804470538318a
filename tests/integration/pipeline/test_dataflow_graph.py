"""The same job for Google Cloud: built with Dataflow's runner as far as it goes without an account."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

from shopstream.pipeline.clock import utc_now
from shopstream.pipeline.jobs import streaming_pipeline
from shopstream.pipeline.options import PipelineSettings, beam_arguments
from shopstream.schemas import SettingsError, read_settings

CLOUD = {"GOOGLE_CLOUD_PROJECT": "my-shop-project", "DATAFLOW_STAGING": "gs://my-shop-dataflow/jobs"}
# A running job is updated by these names: changing one loses what the step had buffered.
STEPS = ["Read", "CountMessages", "Decode", "Validate", "Enrich", "Write"]
FAILED_STEPS = ["WriteFailedDecode", "WriteFailedValidate", "WriteFailedWrite"]
WITH_STATE = {"streaming_inserts": ["Enrich/InState"], "storage_write": ["Enrich/InState", "Write/Append"]}


def test_the_job_graph_builds_for_dataflow_without_a_network() -> None:
    pipeline = streaming_pipeline(read_settings(PipelineSettings, CLOUD), utc_now, dry_run=True)
    assert isinstance(pipeline.runner, DataflowRunner)
    result = pipeline.run()
    assert result.job.proto.type.name == "JOB_TYPE_STREAMING"
    assert pipeline.options.get_all_options()["enable_streaming_engine"]
    graph = pipeline.runner.proto_pipeline.components
    (root,) = pipeline.runner.proto_pipeline.root_transform_ids
    names = [graph.transforms[part].unique_name for part in graph.transforms[root].subtransforms]
    assert [name.split("/")[0] for name in names] == STEPS + FAILED_STEPS
    reads = [t for t in graph.transforms.values() if t.spec.urn == "beam:transform:pubsub_read:v1"]
    assert len(reads) == 1
    assert b"projects/my-shop-project/subscriptions/shopstream-events-pipeline" in reads[0].spec.payload


@pytest.mark.parametrize("method", WITH_STATE)
def test_steps_that_keep_state_have_the_names_that_an_update_goes_by(method: str) -> None:
    settings = read_settings(PipelineSettings, CLOUD | {"BIGQUERY_WRITE_METHOD": method})
    components = streaming_pipeline(settings, utc_now, dry_run=True).to_runner_api().components
    found = [
        transform.unique_name
        for transform in components.transforms.values()
        if transform.spec.urn == "beam:transform:pardo:v1"
        and beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload).state_specs
    ]
    assert sorted(name.removesuffix("/ParDo(_Append)") for name in found) == WITH_STATE[method]
    page = (Path(__file__).parents[3] / "docs/running.md").read_text()
    assert all(f"| `{name}` |" in page for name in WITH_STATE[method])


def test_settings_alone_choose_the_runner() -> None:
    emulators = {"PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:2"}
    here = streaming_pipeline(read_settings(PipelineSettings, CLOUD | emulators), utc_now)
    assert type(here.runner).__name__ == "FnApiRunner"
    assert not here.options.get_all_options()["region"]


def test_a_job_server_runs_a_backfill_and_no_stream() -> None:
    settings = read_settings(PipelineSettings, CLOUD | {"BEAM_JOB_ENDPOINT": "127.0.0.1:8099", "BEAM_PARALLELISM": "2"})
    arguments = beam_arguments(settings, streaming=False)
    assert {"--runner=PortableRunner", "--job_endpoint=127.0.0.1:8099", "--parallelism=2"} <= set(arguments)
    assert "--environment_type=LOOPBACK" in arguments
    with pytest.raises(SettingsError, match="BEAM_JOB_ENDPOINT"):
        streaming_pipeline(settings, utc_now)


def test_the_command_builds_the_graph_and_says_so() -> None:
    environment = {"PATH": os.environ["PATH"], **CLOUD}
    command = [str(Path(sys.executable).parent / "shopstream-pipeline"), "run", "--dry-run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Dataflow" in done.stdout
