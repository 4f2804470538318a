"""The job as a Dataflow Flex Template: the spec that names its image and parameters, and what a launch of it runs."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from shopstream.schemas import read_settings
from shopstream.schemas.environment import variable_names
from shopstream.schemas.logs import log_json

from .clock import utc_now
from .jobs import streaming_pipeline
from .options import PipelineSettings

_FROM_THE_LAUNCH = {
    "google_cloud_project": "project",
    "dataflow_region": "region",
    "dataflow_job_name": "job_name",
    "dataflow_staging": "staging_location",
    "dataflow_service_account": "service_account_email",
    "dataflow_container_image": "sdk_container_image",
}
"""Settings that Dataflow's launcher gives as options of Beam, by their name there."""
_NOT_ON_DATAFLOW = re.compile("emulator|^beam_")
_NO_SECRET_THERE = {"redis_url"}
"""Memorystore is reached over a private network and has no password."""


def container_spec(image: str) -> dict[str, Any]:
    """What `gcloud dataflow flex-template run` is pointed at, as a file in Cloud Storage."""
    fields = PipelineSettings.model_fields
    return {
        "image": image,
        "sdkInfo": {"language": "PYTHON"},
        "metadata": {
            "name": "Shopstream",
            "description": "Streams events from Pub/Sub into date-partitioned BigQuery tables.",
            "streaming": True,
            "supportsAtLeastOnce": True,
            "supportsExactlyOnce": True,
            "defaultStreamingMode": "EXACTLY_ONCE",
            "parameters": [_parameter(name, fields[name]) for name in parameters()],
        },
    }


def parameters() -> list[str]:
    """Settings that a launch may give: no secret, for whoever sees the job sees its parameters."""
    fields = PipelineSettings.model_fields
    secrets = {name for name, field in fields.items() if SecretStr in (field.annotation, *get_args(field.annotation))}
    kept_out = {*_FROM_THE_LAUNCH, *(secrets - _NO_SECRET_THERE)}
    return [name for name in fields if name not in kept_out and not _NOT_ON_DATAFLOW.search(name)]


def read_launch(argv: Sequence[str]) -> tuple[PipelineSettings, list[str]]:
    """The settings of a launch, and the options of Beam that came with them.

    Raises:
        SettingsError: A parameter has a value it does not accept.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in parameters():
        parser.add_argument(f"--{name}")
    given, options = parser.parse_known_args(argv)
    launch = argparse.ArgumentParser(allow_abbrev=False)
    for option in _FROM_THE_LAUNCH.values():
        launch.add_argument(f"--{option}")
    values = vars(given)
    from_launch = vars(launch.parse_known_args(options)[0])
    values |= {name: from_launch[option] for name, option in _FROM_THE_LAUNCH.items()}
    variables = variable_names(PipelineSettings)
    environment = {variables[name]: value for name, value in values.items() if value is not None}
    return read_settings(PipelineSettings, environment), options


def main() -> None:
    """What Dataflow's launcher runs in the image."""
    log_json()
    settings, options = read_launch(sys.argv[1:])
    streaming_pipeline(settings, utc_now, options=options).run()


def _parameter(name: str, field: FieldInfo) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "helpText": field.description,
        "isOptional": not field.is_required(),
        "regexes": _regexes(field),
    }


def _regexes(field: FieldInfo) -> list[str]:
    if get_origin(field.annotation) is Literal:
        return [f"^({'|'.join(get_args(field.annotation))})$"]
    if field.annotation is int:
        return ["^[0-9]+$"]
    return [pattern for each in field.metadata if (pattern := getattr(each, "pattern", None))]
