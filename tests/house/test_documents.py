"""What is generated is fresh, what is promised in a list is what there is, what the README shows runs."""

import importlib
import re
import tomllib
from pathlib import Path

import click
import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.dashboards.grafana import dashboard
from deploy.reference import collector_document, counters_page, serving_document, settings_page
from shopstream.capture.metrics import BACKEND_GAUGES, GAUGES
from shopstream.ml_features.decisions.trace import decided_again, decision_id_of
from shopstream.schemas.data_dictionary import json_schemas, render, render_views
from shopstream.schemas.decision import Decision
from shopstream.schemas.serving.generate import served_module

ROOT = Path(__file__).parents[2]
COMMANDS = ("capture", "features", "pipeline")
ROOM_OF = {"capture": "capture", "features": "ml_features", "pipeline": "pipeline"}


def test_the_data_dictionary_is_fresh() -> None:
    assert (ROOT / "docs/data-dictionary.md").read_text() == render(), "run `make docs`"
    assert (ROOT / "docs/views.md").read_text() == render_views(), "run `make docs`"


def test_the_json_schemas_are_fresh() -> None:
    files = {path.name: path.read_text() for path in (ROOT / "docs/json-schema").glob("*")}
    assert files == json_schemas(), "run `make docs`"


def test_the_pages_of_settings_and_counters_are_fresh() -> None:
    assert (ROOT / "docs/settings.md").read_text() == settings_page(), "run `make docs`"
    assert (ROOT / "docs/counters.md").read_text() == counters_page(), "run `make docs`"


def test_the_dashboard_for_grafana_is_fresh() -> None:
    assert (ROOT / "deploy/dashboards/grafana.json").read_text() == dashboard(), "run `make docs`"


def test_the_collectors_openapi_document_is_fresh() -> None:
    assert (ROOT / "docs/collector-openapi.json").read_text() == collector_document(), "run `make docs`"
    assert (ROOT / "docs/serving-openapi.json").read_text() == serving_document(), "run `make docs`"


def test_the_structs_that_are_served_are_fresh() -> None:
    assert (ROOT / "schemas/serving/served.py").read_text() == served_module(), "run `make docs`"


@pytest.mark.parametrize("room", ["capture", "ml_features", "schemas"])
def test_the_public_names_are_sorted_and_there(room: str) -> None:
    package = importlib.import_module(f"shopstream.{room}")
    assert package.__all__ == sorted(package.__all__, key=lambda name: (name.upper() != name, name[0].islower(), name))
    assert [name for name in package.__all__ if not hasattr(package, name)] == []


def every_command() -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []

    def walk(name: str, command: click.Command) -> None:
        found.append((name, command))
        if isinstance(command, click.Group):
            for part, inner in command.commands.items():
                walk(f"{name} {part}", inner)

    for command in COMMANDS:
        walk(f"shopstream-{command}", importlib.import_module(f"shopstream.{ROOM_OF[command]}.cli").cli)
    return found


@pytest.mark.parametrize(("name", "command"), every_command(), ids=lambda part: part if isinstance(part, str) else "")
def test_every_command_has_help_with_an_example(name: str, command: click.Command) -> None:
    assert command.help, name
    if not isinstance(command, click.Group):
        assert "xample" in command.help
        assert name in command.help


@pytest.mark.parametrize(("name", "command"), every_command(), ids=lambda part: part if isinstance(part, str) else "")
def test_every_command_is_in_the_documents(name: str, command: click.Command) -> None:
    documents = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    assert name in documents or isinstance(command, click.Group)


def test_the_commands_of_the_readme_are_real() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    names = {name for name, _ in every_command()}
    shell = "\n".join(re.findall(r"```(?:sh|console)\n(.*?)```", readme, re.DOTALL))
    targets = set(re.findall(r"^make ([a-z-]+)", shell, re.MULTILINE))
    assert {"demo", "test"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    used = re.findall(r"^(shopstream-[a-z]+(?: [a-z]+)*)", shell, re.MULTILINE)
    assert used
    assert [use for use in used if not any(use == name or use.startswith(f"{name} ") for name in names)] == []


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    return [requirement for line in lines if (requirement := Requirement(line)).name != "shopstream"]


def test_every_dependency_says_why_it_is_there() -> None:
    names = {requirement.name for requirement in declared()}
    page = (ROOT / "docs/dependencies.md").read_text()
    assert sorted(name for name in names if f"`{name}`" not in page) == []


def test_the_lock_meets_every_declared_dependency() -> None:
    environment = {name: str(value) for name, value in default_environment().items()}
    locked: dict[str, str] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            pinned = Requirement(line)
            if pinned.marker is None or pinned.marker.evaluate(environment):
                locked[canonicalize_name(pinned.name)] = str(pinned.specifier).removeprefix("==")
    for requirement in declared():
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not locked: run `make lock`"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}, {version}: run `make lock`"


def test_the_decision_that_is_explained_is_a_real_one() -> None:
    page = (ROOT / "docs/decisions-explained.md").read_text()
    decision = Decision.model_validate_json((ROOT / "docs/examples/decision.json").read_text())
    again = decided_again(decision)
    assert (again.items, again.rules) == (decision.items, decision.rules)
    assert decision_id_of(decision) == decision.decision_id
    rows = [f"| {item.rank} | {item.product_id} | {item.score:.4f} | {item.reason} |" for item in decision.items]
    assert [row for row in rows if row not in page] == []
    assert decision.decision_id in page
    assert [rule for rule in decision.rules if f"`{rule}`" not in page] == []


def test_every_gauge_of_capture_stands_on_its_page() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    rows = [f"| `{name}` | {unit} | {meaning} |" for name, (unit, meaning, _) in (GAUGES | BACKEND_GAUGES).items()]
    assert [row for row in rows if row not in page] == []
