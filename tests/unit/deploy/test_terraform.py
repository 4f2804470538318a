"""Terraform, as far as it can be held without its providers and without an account."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from deploy.access import COMPONENTS, GRANTS, ONLY_WITH, ROLES, access_json, permissions_page
from deploy.provider_arguments import NAMES, TERRAFORM
from deploy.warehouse_resources import warehouse_json
from shopstream.pipeline.flex_template import parameters

ROOT = Path(__file__).parents[3]
META = {"count", "for_each", "depends_on", "lifecycle", "provider", "dynamic"}
HOLDS_DATA = {
    "google_bigquery_dataset": {"dataset"},
    "google_bigquery_table": {"table"},
    "google_pubsub_topic": {"topic"},
    "google_pubsub_subscription": {"pipeline"},
    "google_storage_bucket": {"bucket"},
    "google_secret_manager_secret": {"secret"},
}
BEYOND_THE_TABLE = {
    # Pub/Sub's own agent, which moves messages to the dead-letter topic.
    ("google_pubsub_topic_iam_member", "dead_letter_agent"),
    ("google_pubsub_subscription_iam_member", "dead_letter_agent"),
    # The same agent writes into landing tables as an account of ours.
    ("google_service_account_iam_member", "landing_agent"),
    # The scheduler starts these jobs and no others.
    ("google_cloud_run_v2_job_iam_member", "scheduler"),
    # Whom the variable names may reach the API, before any key.
    ("google_cloud_run_v2_service_iam_member", "callers"),
}
ON_A_PROJECT = {"roles/bigquery.jobUser", "roles/dataflow.worker"}
TOO_BROAD = ("owner", "editor", "admin", "Admin", "dataOwner", "viewer")

Block = tuple[str, str, dict[str, Any]]


def blocks(kind: str) -> Iterator[Block]:
    """Each resource or data source: its type, its name and what is in it."""
    for file in sorted(TERRAFORM.glob("*.tf")):
        with file.open() as text:
            for block in hcl2.load(text).get(kind, []):
                for resource, named in block.items():
                    for name, body in named.items():
                        yield resource.strip('"'), name.strip('"'), body


def locals_named(name: str) -> set[str]:
    """The keys of a local map."""
    for file in sorted(TERRAFORM.glob("*.tf")):
        with file.open() as text:
            for block in hcl2.load(text).get("locals", []):
                if name in block:
                    return {key.strip('"') for key in block[name] if not key.startswith("__")}
    raise AssertionError(name)


def arguments(body: dict[str, Any]) -> Iterator[str]:
    """Every argument and nested block, however deep; of a dynamic block its label."""
    for name, value in body.items():
        if name.startswith("__"):
            continue
        if name == "dynamic":
            for each in value:
                for label, inner in each.items():
                    yield label.strip('"')
                    for content in inner["content"]:
                        yield from arguments(content)
            continue
        yield name
        for inner in value if isinstance(value, list) else []:
            # A list of blocks; maps of our own (labels, parameters) are single values.
            if isinstance(inner, dict) and name not in META:
                yield from arguments(inner)


@pytest.mark.parametrize("kind", ["resource", "data"])
def test_every_argument_is_one_the_provider_documents(kind: str) -> None:
    documented = json.loads(NAMES.read_text())["resources"]
    used = [
        (resource, name, argument)
        for resource, name, body in blocks(kind)
        if resource.startswith("google_")
        for argument in arguments(body)
        if argument not in META
    ]
    assert [each for each in used if each[2] not in documented[each[0]]["arguments"]] == []
    assert len(used) > (0 if kind == "data" else 200)


def test_what_holds_data_is_not_destroyed_by_an_apply() -> None:
    for resource, name, body in blocks("resource"):
        if name in HOLDS_DATA.get(resource, set()):
            assert body["lifecycle"][0]["prevent_destroy"] is True, (resource, name)


def test_rights_are_given_by_the_table_and_nowhere_else() -> None:
    giving = {(resource, name) for resource, name, _ in blocks("resource") if "_iam_" in resource}
    of_the_table = {(resource, name) for resource, name in giving if name == "grant"}
    for resource, name, body in blocks("resource"):
        if (resource, name) in of_the_table:
            assert str(body["for_each"]).startswith("${local.grants."), (resource, name)
    assert giving - of_the_table == BEYOND_THE_TABLE | {("google_project_iam_custom_role", "ours")}
    assert not any(resource.endswith(("_iam_policy", "_iam_binding")) for resource, _ in giving)


def test_what_belongs_to_one_way_of_ingest_is_there_with_that_way_only() -> None:
    job, subscription = "with_job", "with_landing"
    ways = {
        ("google_dataflow_flex_template_job", "pipeline"): job,
        ("google_pubsub_subscription", "pipeline"): job,
        ("google_bigquery_dataset", "landing"): subscription,
        ("google_bigquery_table", "landing"): subscription,
        ("google_pubsub_subscription", "landing"): subscription,
        ("google_service_account_iam_member", "landing_agent"): subscription,
    }
    counts = {(resource, name): body["count"] for resource, name, body in blocks("resource") if "count" in body}
    assert {each: counts[each] for each in ways} == {each: f"${{local.{way} ? 1 : 0}}" for each, way in ways.items()}
    ways_of = {"job": "dataflow", "pubsub": "bigquery_subscription", "land": "bigquery_subscription"}
    assert ways_of == ONLY_WITH


def test_no_right_is_broader_than_it_must_be() -> None:
    for grant in GRANTS:
        assert (
            grant.role in ROLES
            or not grant.role.removeprefix("roles/").endswith(TOO_BROAD)
            or (grant.role == "roles/pubsub.viewer")
        ), grant
        assert (grant.kind == "project") == (grant.role in ON_A_PROJECT), grant
        assert grant.why


def test_every_right_is_on_something_there_is() -> None:
    warehouse = json.loads(warehouse_json())
    there = {
        "project": {""},
        "dataset": {dataset["suffix"] for dataset in (*warehouse["datasets"], warehouse["landing"])},
        "table": {f"{table['dataset']}.{table['name']}" for table in warehouse["tables"]},
        "bucket": locals_named("buckets"),
        "topic": locals_named("topics"),
        "secret": locals_named("secrets"),
        "subscription": {"pipeline"},
        "repository": {"images"},
    }
    assert [grant for grant in GRANTS if grant.on not in there[grant.kind]] == []
    assert len({(grant.component, grant.role, grant.on) for grant in GRANTS}) == len(GRANTS)
    assert {grant.component for grant in GRANTS} | {"scheduler"} == set(COMPONENTS)


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("deploy/terraform/generated/access.json", access_json),
        ("deploy/terraform/generated/warehouse.json", warehouse_json),
        ("docs/permissions.md", permissions_page),
    ],
    ids=["access", "warehouse", "permissions"],
)
def test_what_is_generated_is_fresh(path: str, made: Any) -> None:
    assert (ROOT / path).read_text() == made(), "run `make docs`"


def test_every_variable_an_environment_sets_is_declared() -> None:
    declared = set()
    for file in TERRAFORM.glob("*.tf"):
        with file.open() as text:
            declared |= {name.strip('"') for block in hcl2.load(text).get("variable", []) for name in block}
    for file in sorted((TERRAFORM / "environments").glob("*.tfvars")):
        with file.open() as text:
            assert set(hcl2.load(text)) <= declared, file.name


def test_every_setting_of_the_job_is_a_parameter_of_its_template() -> None:
    assert locals_named("job_settings") <= set(parameters())


def test_every_alert_has_its_section_in_the_runbook() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    sections = {line.removeprefix("## ") for line in runbook.splitlines() if line.startswith("## ")}
    assert locals_named("alert_policies") <= sections


def test_the_files_are_in_the_usual_form() -> None:
    if (terraform := shutil.which("terraform")) is None:
        pytest.skip("needs the program terraform")
    done = subprocess.run(
        [terraform, "fmt", "-check", "-recursive", TERRAFORM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
