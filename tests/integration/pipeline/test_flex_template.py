"""The Flex Template: its spec, and a launch as Dataflow's launcher would make it, as far as goes without an account."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

from shopstream.pipeline.clock import utc_now
from shopstream.pipeline.flex_template import container_spec, parameters, read_launch
from shopstream.pipeline.jobs import streaming_pipeline
from shopstream.pipeline.options import PipelineSettings
from shopstream.schemas import SettingsError

LAUNCH = [
    "--runner=DataflowRunner",
    "--project=my-shop-project",
    "--region=europe-west3",
    "--job_name=shop-stream",
    "--staging_location=gs://my-shop/staging",
    "--temp_location=gs://my-shop/temp",
    "--sdk_container_image=shop/shopstream:1",
]


def test_every_parameter_of_the_spec_is_a_setting_and_says_what_it_takes() -> None:
    given = container_spec("shop/shopstream:1")["metadata"]["parameters"]
    names = [parameter["name"] for parameter in given]
    assert names == parameters()
    assert set(names) < set(PipelineSettings.model_fields)
    assert not [name for name in names if "emulator" in name]
    for parameter in given:
        assert parameter["helpText"]
        default = PipelineSettings.model_fields[parameter["name"]].default
        for regex in parameter["regexes"]:
            assert default is None or re.fullmatch(regex, str(default)), parameter


def test_the_command_prints_the_spec() -> None:
    command = [str(Path(sys.executable).parent / "shopstream-pipeline"), "template", "shop/shopstream:1"]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == container_spec("shop/shopstream:1")


def test_a_launch_builds_the_job_its_parameters_describe() -> None:
    settings, options = read_launch(
        [*LAUNCH, "--bigquery_write_method=storage_write", "--bigquery_dataset=shop", "--max_num_workers=7"]
    )
    assert settings.bigquery_dataset == "shop"
    assert settings.bigquery_write_method == "storage_write"
    assert settings.dataflow_region == "europe-west3"
    pipeline = streaming_pipeline(settings, utc_now, options=[*options, "--dry_run=True"])
    assert isinstance(pipeline.runner, DataflowRunner)
    given = pipeline.options.get_all_options()
    assert (given["project"], given["job_name"]) == ("my-shop-project", "shop-stream")
    assert given["temp_location"] == "gs://my-shop/temp"
    assert given["max_num_workers"] == 7
    assert given["streaming"]
    job = pipeline.run().job
    assert job.proto.type.name == "JOB_TYPE_STREAMING"


def test_a_parameter_that_is_wrong_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="BIGQUERY_WRITE_METHOD"):
        read_launch([*LAUNCH, "--bigquery_write_method=load_jobs"])
