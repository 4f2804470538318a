"""Who may import whom, and how."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("capture", "ml_features", "pipeline", "schemas")
PRODUCT = sorted(path for room in (*ROOMS, "deploy") for path in (ROOT / room).rglob("*.py"))
EVERYTHING = sorted([*PRODUCT, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_floors_hold() -> None:
    # Its own process: in ours it would turn off every logger there is.
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", EVERYTHING, ids=ids)
def test_rooms_are_imported_by_their_installed_names(path: Path) -> None:
    """`import schemas` works from the repository's root, and makes every class a second time."""
    found = re.findall(rf"^\s*(?:from|import) (?:{'|'.join(ROOMS)})\b(?!\.local)", path.read_text(), re.MULTILINE)
    assert found == []


@pytest.mark.parametrize("path", PRODUCT, ids=ids)
def test_no_file_asks_to_be_two_things(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "common", "base", "manager", "misc"}


def test_packages_are_the_folders() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        f"shopstream.{'.'.join(path.parent.relative_to(ROOT).parts)}"
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert sorted(declared) == sorted(folders)


# Where a command starts is where the wall clock and chance may be read.
MAY_READ_THE_CLOCK = {
    "capture/__init__.py",
    "capture/cli.py",
    "deploy/local/demo.py",
    "ml_features/cli.py",
    "ml_features/cli_api.py",
    "ml_features/cli_jobs.py",
    "ml_features/cli_users.py",
    "ml_features/clock.py",
    "pipeline/clock.py",
}


@pytest.mark.parametrize("path", PRODUCT, ids=ids)
def test_time_and_chance_are_arguments(path: Path) -> None:
    if ids(path) in MAY_READ_THE_CLOCK:
        return
    forbidden = r"datetime\.now\(|datetime\.utcnow\(|[^.\w]time\.time\(\)|uuid4\(|uuid1\(|random\.random\("
    found = re.findall(forbidden, path.read_text())
    assert found == []


@pytest.mark.parametrize(
    "path", [p for p in PRODUCT if not p.name.startswith("cli") and "deploy" not in p.parts], ids=ids
)
def test_only_commands_read_the_environment(path: Path) -> None:
    if ids(path) == "capture/__init__.py":
        return
    assert "os.environ" not in re.sub(r'"""[\s\S]*?"""', "", path.read_text())
