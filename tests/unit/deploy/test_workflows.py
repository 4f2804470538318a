"""The workflows: pinned, with no more rights than they need, and naming only what there is."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]

from tests.hcl_files import read_hcl

ROOT = Path(__file__).parents[3]
GITHUB = ROOT / ".github"
FILES = sorted(GITHUB.glob("workflows/*.yml"))
ACTIONS = sorted(GITHUB.glob("actions/*/action.yml"))
MAY = {"contents": "read", "id-token": "write"}
"""The most that a job of ours is allowed."""
_PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")


def read(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    return {str(key).replace("True", "on"): value for key, value in yaml.safe_load(path.read_text()).items()}


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in FILES:
        for name, job in read(path)["jobs"].items():
            yield f"{path.stem}.{name}", job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in jobs():
        for step in job.get("steps", []):
            yield name, step
    for path in ACTIONS:
        for step in read(path)["runs"]["steps"]:
            yield path.parent.name, step


def scripts() -> str:
    """All that workflows and actions run, lines that go on joined."""
    return "\n".join(step["run"] for _, step in steps() if "run" in step).replace("\\\n", " ")


def used() -> Iterator[tuple[str, str]]:
    for name, step in steps():
        if "uses" in step:
            yield name, step["uses"]
    for name, job in jobs():
        if "uses" in job:
            yield name, job["uses"]


def test_every_action_is_one_commit_and_says_which_version_that_is() -> None:
    foreign = [action for _, action in used() if not action.startswith("./")]
    assert len(foreign) > 20
    assert [action for action in foreign if not _PINNED.match(action)] == []
    text = "\n".join(path.read_text() for path in [*FILES, *ACTIONS])
    told = re.findall(r"uses: (\S+@[0-9a-f]{40}) # v\d+\.\d+\.\d+$", text, re.MULTILINE)
    assert sorted(told) == sorted(foreign)
    assert len({action.split("@")[0] for action in foreign}) == len(set(foreign))  # one version of each


def test_our_own_actions_and_workflows_are_there_and_get_what_they_ask_for() -> None:
    own = [(job, job["uses"]) for _, job in jobs() if "uses" in job]
    own += [(step, step["uses"]) for _, step in steps() if step.get("uses", "").startswith("./")]
    assert len(own) == 4
    for caller, name in own:
        path = ROOT / name
        called = read(path / "action.yml" if path.is_dir() else path)
        inputs = called["inputs"] if path.is_dir() else called["on"]["workflow_call"]["inputs"]
        needed = {key for key, value in inputs.items() if value.get("required")}
        assert needed <= caller["with"].keys() <= inputs.keys()


@pytest.mark.parametrize(("name", "job"), list(jobs()), ids=lambda part: part if isinstance(part, str) else "")
def test_every_job_ends_and_has_few_rights(name: str, job: dict[str, Any]) -> None:
    assert "uses" in job or 0 < job["timeout-minutes"] <= 120, name
    assert job["permissions"].items() <= MAY.items()
    signs_in = any("auth@" in step.get("uses", "") for step in job.get("steps", []))
    assert (job["permissions"].get("id-token") == "write") == (signs_in or "uses" in job)
    # Only what an environment lets through signs in, so that Google can tell by it who asks.
    assert not signs_in or "environment" in job


def test_a_workflow_gives_nothing_by_itself_and_runs_once_at_a_time() -> None:
    for path in FILES:
        workflow = read(path)
        assert workflow["permissions"] == {}, path.name
        assert "concurrency" in workflow or "workflow_call" in workflow["on"], path.name
    for name, job in jobs():
        if any("terraform apply" in step.get("run", "") for step in job.get("steps", [])):
            assert job["concurrency"]["cancel-in-progress"] is False, name


def test_nobody_has_a_key() -> None:
    text = "\n".join(path.read_text() for path in [*FILES, *ACTIONS])
    assert "secrets." not in text
    assert "credentials_json" not in text
    for name, step in steps():
        if "actions/checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False, name
        if "auth@" in step.get("uses", ""):
            assert step["with"]["workload_identity_provider"] == "${{ vars.IDENTITY_PROVIDER }}", name


def test_no_expression_stands_in_a_script() -> None:
    assert "${{" not in scripts()


def test_what_a_pull_request_starts_can_change_nothing() -> None:
    for path in FILES:
        workflow = read(path)
        if "pull_request" in workflow["on"]:
            text = path.read_text()
            assert "-apply@" not in text, path.name
            assert "-push@" not in text, path.name
            assert "terraform apply" not in text, path.name


def test_every_target_is_one_of_the_makefile() -> None:
    makefile = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    benchmarks = read(GITHUB / "workflows/benchmarks.yml")["on"]["workflow_dispatch"]["inputs"]["benchmark"]["options"]
    named = set(re.findall(r"\bmake ([a-z-]+)", scripts())) | set(benchmarks)
    assert {"setup", "bench-pipeline"} <= named <= makefile


def test_every_command_is_one_of_ours() -> None:
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    named = re.findall(r"\b(shopstream-(?:capture|features|pipeline))((?: [a-z][a-z-]*)*)", scripts())
    commands = {(name, words) for name, words in named if words.strip()}
    assert len(commands) >= 4
    for name, words in commands:
        command: click.Command = import_module(rooms[name].split(":")[0]).cli
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, f"{name}{words}"
            command = command.commands[word]
        assert not isinstance(command, click.Group), f"{name}{words}"


def test_every_file_is_there() -> None:
    named = set(re.findall(r"(?:^|[ \"/])((?:deploy|benchmarks|docs|\.ci)/[\w./-]*\w)", scripts()))
    named |= {f"deploy/terraform/environments/{name}.tfvars" for name in ("dev", "prod")}
    made = {"deploy/terraform/release.auto.tfvars.json"}
    assert [name for name in sorted(named - made) if not (ROOT / name).exists()] == []
    assert "deploy/containers/canary.ndjson" in named
    modules = re.findall(r"python3 -m (deploy[\w.]*)", scripts())
    assert modules == ["deploy.containers.release"]
    assert import_module(modules[0])


def test_every_variable_and_resource_of_terraform_is_declared() -> None:
    declared = "\n".join(path.read_text() for path in (ROOT / "deploy/terraform").glob("*.tf"))
    variables = set(re.findall(r'^variable "(\w+)"', declared, re.MULTILINE))
    outputs = set(re.findall(r'^output "(\w+)"', declared, re.MULTILINE))
    blocks = re.findall(r'^resource "(\w+)" "(\w+)" {\n(.*?)^}', declared, re.MULTILINE | re.DOTALL)
    # What is counted is named by its number, even if there is one.
    resources = {f"{kind}.{name}{'[0]' if '  count ' in body else ''}" for kind, name, body in blocks}
    text = "\n".join(path.read_text() for path in FILES)
    assert set(re.findall(r"TF_VAR_(\w+):", text)) | {"images", "template"} <= variables
    assert set(re.findall(r"terraform output -json (\w+)", text)) <= outputs
    replaced = set(re.findall(r"-replace='(\S+)'", text))
    assert replaced
    assert replaced <= resources


def test_roles_are_those_of_the_images() -> None:
    roles = read_hcl(ROOT / "deploy/containers/docker-bake.hcl")["group"][0]["default"]["targets"]
    for name, job in jobs():
        if "role" in job.get("strategy", {}).get("matrix", {}):
            assert job["strategy"]["matrix"]["role"] == roles, name


def test_the_next_environment_waits_for_the_look_at_the_one_before() -> None:
    release = read(GITHUB / "workflows/release.yml")["jobs"]
    assert (release["dev"]["needs"], release["prod"]["needs"]) == ("image", "dev")
    deploy = read(GITHUB / "workflows/deploy.yml")["jobs"]
    assert deploy["drain"]["if"] == "needs.update.outputs.apply == 'failure'"
    assert deploy["look"]["needs"] == ["update", "drain"]


@pytest.mark.long
def test_actionlint_finds_nothing() -> None:
    if (actionlint := shutil.which("actionlint")) is None:
        pytest.skip("needs the program actionlint")
    done = subprocess.run([actionlint, "-no-color", *FILES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_shellcheck_finds_nothing() -> None:
    if (shellcheck := shutil.which("shellcheck")) is None:
        pytest.skip("needs the program shellcheck")
    files = [ROOT / ".ci/run", *(ROOT / "deploy").rglob("*.sh")]
    done = subprocess.run([shellcheck, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
