"""The images, as far as they can be held without a container engine."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from deploy.containers.release import ROLES, release_variables
from shopstream.capture.settings import CaptureSettings
from shopstream.schemas import read_event
from tests.hcl_files import read_hcl

ROOT = Path(__file__).parents[3]
CONTAINERS = ROOT / "deploy/containers"
BAKE = CONTAINERS / "docker-bake.hcl"
TERRAFORM = ROOT / "deploy/terraform"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
NEEDED = {"shopstream-capture": "pubsub", "shopstream-features": "features", "shopstream-pipeline": "pipeline"}
"""The extra without which a command cannot do its work."""
NOTHING_THERE = {
    "GOOGLE_CLOUD_PROJECT": "nothing-there",
    "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:9",
    "PUBSUB_EMULATOR_HOST": "127.0.0.1:9",
    "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
}


def named(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """Blocks of one kind by their names."""
    return {name: body for block in blocks for name, body in block.items()}


def roles() -> dict[str, dict[str, Any]]:
    """The targets of docker-bake.hcl that are images."""
    targets = named(read_hcl(BAKE)["target"])
    return {name: body for name, body in targets.items() if "inherits" in body}


def extras_of(role: str) -> set[str]:
    return set(roles()[role]["args"]["EXTRAS"].split(","))


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile and what they are given, comments left out, lines that go on joined."""
    text = re.sub(r"^#.*\n", "", (CONTAINERS / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest) for line in lines if line.strip() for name, rest in [line.strip().split(maxsplit=1)]]


def stages() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Each stage: what it stands on, and its instructions."""
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for name, rest in instructions():
        if name == "FROM":
            base, stage = rest.split(" AS ")
            found[stage] = (base, [])
        elif found:
            found[list(found)[-1]][1].append((name, rest))
    return found


def of_stage(stage: str, instruction: str) -> list[str]:
    """What an instruction is given in a stage and in those it stands on, the nearest last."""
    if stage not in stages():
        return []
    base, own = stages()[stage]
    return of_stage(base, instruction) + [rest for name, rest in own if name == instruction]


def cloud_run() -> dict[str, tuple[str, list[str]]]:
    """What Terraform runs: its name, the role whose image it runs in, and its command."""
    blocks = read_hcl(TERRAFORM / "run.tf")
    (local,) = blocks["locals"]
    jobs = {name: job["command"] for name, job in local["jobs"].items() if not name.startswith("__")}
    images = {command: role.split(".")[-1].rstrip("}") for command, role in local["image_of"].items()}
    found = {name: (images[command[0]], command) for name, command in jobs.items()}
    for block in blocks["resource"]:
        for service in block.get("google_cloud_run_v2_service", {}).values():
            (container,) = service["template"][0]["containers"]
            found["serving"] = (container["image"].split(".")[-1].rstrip("}"), container["command"])
    return found


def test_every_role_is_a_target_with_extras_there_are() -> None:
    assert set(roles()) == ROLES | {"collector"}
    assert read_hcl(BAKE)["group"][0]["default"]["targets"] == sorted(roles())
    for role, body in roles().items():
        assert body["target"] in stages(), role
        assert extras_of(role) <= EXTRAS.keys(), role


def test_nothing_is_built_of_a_tag() -> None:
    bases = {base for base, _ in stages().values()} - stages().keys()
    assert bases == {"${PYTHON}", "${BEAM}", "${LAUNCHER}"}
    assert {"PYTHON", "BEAM", "LAUNCHER"} <= {rest for name, rest in instructions() if name == "ARG"}  # no default
    variables = named(read_hcl(BAKE)["variable"])
    assert not any("default" in variables[name] for name in ("PYTHON", "BEAM", "LAUNCHER"))


def test_bases_are_named_by_the_digest_their_tag_has_now(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"""#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho '"sha256:{"0" * 64}"'\n""")
    docker.chmod(0o755)
    done = subprocess.run(
        [CONTAINERS / "bases.sh"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    named = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert list(named) == ["PYTHON", "BEAM", "LAUNCHER"]
    assert all(re.fullmatch(r"[a-z0-9./_-]+:[\w.-]+@sha256:0{64}", base) for base in named.values())
    (beam,) = (line for line in EXTRAS["pipeline"] if line.startswith("apache-beam"))
    assert f":{beam.split('==')[1]}@" in named["BEAM"]
    assert len((tmp_path / "asked").read_text().splitlines()) == 3


def test_all_but_dataflows_run_as_nobody() -> None:
    users = {role: of_stage(body["target"], "USER") for role, body in roles().items()}
    assert users.pop("job") == []  # Dataflow's workers must be root
    for role, given in users.items():
        user, group = given[-1].split(":")
        assert int(user) > 0, role
        assert int(group) > 0, role


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    copied = {
        source for _, own in stages().values() for name, rest in own if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }  # fmt: skip
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in ignored if not line.startswith("#")) == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert set(PROJECT["tool"]["setuptools"]["package-dir"].values()) <= copied
    assert {"tests", "benchmarks", "docs", ".git"}.isdisjoint(copied)


@pytest.mark.parametrize(("role", "command"), cloud_run().values(), ids=cloud_run())
def test_what_terraform_runs_is_in_its_image(role: str, command: list[str]) -> None:
    assert command[0] in PROJECT["project"]["scripts"]
    assert NEEDED[command[0]] in extras_of(role)
    assert ("serve" in command) <= ("api" in extras_of(role))


def test_the_collectors_image_is_asked_whether_it_lives_and_keeps_its_spool_outside() -> None:
    (check,) = of_stage("collector", "HEALTHCHECK")
    assert "127.0.0.1:8080/healthz" in check
    (spool,) = of_stage("collector", "VOLUME")
    environment = " ".join(of_stage("collector", "ENV"))
    assert f"CAPTURE_SPOOL_DIRECTORY={spool}" in environment
    assert CaptureSettings.model_fields["spool_directory"].is_required()
    assert extras_of("collector") == {"collector", "metrics", "pubsub", "storage"}


def test_the_flex_template_runs_the_file_that_is_copied() -> None:
    copied = dict(rest.split()[-2:] for rest in of_stage("job", "COPY"))
    environment = " ".join(of_stage("job", "ENV"))
    assert f"FLEX_TEMPLATE_PYTHON_PY_FILE={copied['deploy/containers/main.py']}" in environment
    assert of_stage("job", "ENTRYPOINT") == ['["/opt/apache/beam/boot"]']


def built(*, without: str = "") -> list[dict[str, Any]]:
    digest = f"sha256:{'1' * 64}"
    return [
        {role: {"containerimage.digest": digest, "image.name": f"far/{role}:1"}} for role in roles() if role != without
    ]


def test_a_release_tells_terraform_each_image_by_its_digest() -> None:
    given = release_variables(built(), "europe-west1-docker.pkg.dev/my-shop/shopstream", "gs://b/template.json")
    variables = named(read_hcl(TERRAFORM / "variables.tf")["variable"])
    assert set(given) <= set(variables)
    assert given["images"].keys() == set(re.findall(r"(\w+) = string", variables["images"]["type"]))
    for role, image in given["images"].items():
        assert re.fullmatch(rf"europe-west1-docker\.pkg\.dev/my-shop/shopstream/{role}@sha256:1{{64}}", image)


def test_a_release_without_one_of_its_images_is_none() -> None:
    with pytest.raises(SystemExit, match="serving"):
        release_variables(built(without="serving"), "r", "t")


def answers_on(programs: Path, settings: dict[str, str]) -> int:
    """What the API, started on a port of its own, answers to the probe of run.tf."""
    environment = {"PATH": f"{programs}:/usr/bin:/bin", **settings}
    with subprocess.Popen([programs / "shopstream-features", "serve"], env=environment, stdout=subprocess.PIPE) as api:
        assert api.stdout
        try:
            address = re.search(r"http://\S+", api.stdout.readline().decode())
            assert address
            with urlopen(f"{address[0]}/healthz", timeout=10) as answer:  # noqa: S310 - of ours
                return int(answer.status)
        finally:
            api.terminate()


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", sorted(roles()))
def test_a_roles_commands_run_with_its_extras_alone(role: str, tmp_path: Path) -> None:
    """The Dockerfile's steps in an empty environment; then each command goes as far as the server it does not find."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml", "setup.py", "requirements.lock"):
        shutil.copy(ROOT / name, source)
    for name in PROJECT["tool"]["setuptools"]["package-dir"].values():
        shutil.copytree(ROOT / name, source / name)
    wheels, requirement = tmp_path / "wheels", f"shopstream[{','.join(sorted(extras_of(role)))}]"
    for room in ("build", "image"):
        subprocess.run([sys.executable, "-m", "venv", tmp_path / room], check=True)
    pip = [str(tmp_path / "build/bin/pip"), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--constraint", "requirements.lock", "setuptools"], cwd=source, check=True)
    isolated = ["--no-build-isolation", "--use-pep517", "--constraint", "requirements.lock"]
    here = requirement.replace("shopstream", ".")
    subprocess.run([*pip, "wheel", *isolated, "--wheel-dir", str(wheels), here], cwd=source, check=True)
    pip[0] = str(tmp_path / "image/bin/pip")
    subprocess.run([*pip, "uninstall", "--yes", "setuptools"], check=True)
    subprocess.run([*pip, "install", "--no-index", f"--find-links={wheels}", requirement], check=True)

    def status(*command: str, **settings: str) -> int:
        environment = {"PATH": f"{tmp_path / 'image/bin'}:/usr/bin:/bin", **NOTHING_THERE, **settings}
        return subprocess.run(command, env=environment, cwd=tmp_path, timeout=300, check=False).returncode

    for name, (image, command) in cloud_run().items():
        if image == role and name != "serving":
            settings = {"FAILED_EVENTS_BUCKET": "failed", "MODELS_BUCKET": "models", "PRIVACY_KEY": "0" * 32}
            assert status(*command, ERASE_BUCKETS="archive", ALERT_TOPIC="alerts", **settings) == 75, name
    if role == "collector":
        events = str(CONTAINERS / "canary.ndjson")
        spool = {"CAPTURE_SPOOL_DIRECTORY": str(tmp_path / "spool"), "CAPTURE_METRICS_ENABLED": "true"}
        assert status("shopstream-capture", "track", "--seconds", "1", events, **spool) == 75
        assert not list((tmp_path / "image").glob("lib/*/site-packages/apache_beam"))
    if role == "serving":
        settings = {"SERVING_API_KEYS": f"key:read:{'0' * 64}", "SERVING_API_PORT": "0"}
        assert answers_on(tmp_path / "image/bin", {**NOTHING_THERE, **settings}) == 200
    if role == "job":
        assert status("python", str(CONTAINERS / "main.py"), "--help") == 0


@pytest.mark.long
def test_hadolint_finds_nothing() -> None:
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("needs the program hadolint")
    done = subprocess.run([hadolint, CONTAINERS / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_canarys_events_are_events_and_nobodys() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    envelope = {"event_id": "019e9c5f-8d00-7000-8000-000000000001", "occurred_at": now.isoformat(), "source": "canary"}
    for line in (CONTAINERS / "canary.ndjson").read_text().splitlines():
        given = json.dumps({**envelope, **json.loads(line), "schema_version": 1}).encode()
        event = read_event(given, now, unknown_fields="forbid")
        assert getattr(event, "user_id", None) is None
