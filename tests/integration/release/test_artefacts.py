"""The wheel and the sdist: what is in them, and that they work where nothing else is."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

import pytest

from .distributions import PROJECT, ROOT, required, show

ROOMS = ("capture", "ml_features", "pipeline", "schemas")
MADE = ("__pycache__", "*.pyc")
BESIDE_THE_ROOMS = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg", "setup.py"}
ROUND_TRIP = """
import sys
from pathlib import Path
import shopstream.capture
from shopstream.capture import open_capture, search

assert shopstream.capture.__file__.startswith(sys.prefix), shopstream.capture.__file__
with open_capture() as capture:
    print(capture.track(search(query_id="q-1", query="oat milk")))
"""
TYPED = """
from shopstream.capture import open_capture, search

with open_capture() as capture:
    event_id: str | None = capture.track(search(query_id="q-1", query="oat milk"))
    capture.track(3)
"""


@dataclass(frozen=True)
class Artefacts:
    """What a release consists of, and the files of the rooms it was built from."""

    sdist: Path
    wheel: Path
    sources: frozenset[str]
    log: str


@dataclass(frozen=True)
class Empty:
    """An environment with nothing in it but what was installed from an artefact."""

    folder: Path

    def run(self, *command: str, visible: Path, environment: Mapping[str, str] | None = None) -> str:
        """What the command prints; it sees the distributions in the folder and none besides."""
        path = os.pathsep.join([str(self.folder / "bin"), os.defpath])
        done = subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            cwd=self.folder,
            env={"PATH": path, "PYTHONPATH": str(visible), **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def install(self, artefact: Path, *options: str, visible: Path | None = None) -> None:
        """Install it with pip, which asks nobody."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.folder / "bin/python"), "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", *options, str(artefact)],
            env={"PATH": os.defpath} | ({"PYTHONPATH": str(visible)} if visible else {}),
            capture_output=True,
            check=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """Built from a copy, for a build writes beside the sources."""
    copy = tmp_path_factory.mktemp("sources") / "shopstream"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", *MADE))
    sources = {path.relative_to(copy).as_posix() for room in ROOMS for path in (copy / room).rglob("*")}
    out = copy.parent / "dist"
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    files = frozenset(name for name in sources if (copy / name).is_file())
    return Artefacts(sdist, wheel, files, done.stdout + done.stderr)


def new_empty(folder: Path) -> Empty:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    return Empty(folder)


@pytest.fixture(scope="module")
def from_wheel(artefacts: Artefacts, tmp_path_factory: pytest.TempPathFactory) -> Empty:
    empty = new_empty(tmp_path_factory.mktemp("wheel") / "empty")
    empty.install(artefacts.wheel)
    return empty


@pytest.fixture(scope="module")
def from_sdist(artefacts: Artefacts, tmp_path_factory: pytest.TempPathFactory) -> Empty:
    folder = tmp_path_factory.mktemp("sdist")
    show({"setuptools": distribution("setuptools")}, folder / "builds")
    empty = new_empty(folder / "empty")
    empty.install(artefacts.sdist, "--no-build-isolation", visible=folder / "builds")
    return empty


@pytest.fixture
def visible(tmp_path: Path) -> Path:
    """What `shopstream` requires without any extra."""
    show(required(), tmp_path / "visible")
    return tmp_path / "visible"


def test_the_wheel_holds_the_rooms_and_nothing_else(artefacts: Artefacts) -> None:
    with zipfile.ZipFile(artefacts.wheel) as wheel:
        names = set(wheel.namelist())
    about = {name for name in names if PurePosixPath(name).parts[0].endswith(".dist-info")}
    assert {PurePosixPath(name).name for name in about} >= {"METADATA", "RECORD", "entry_points.txt", "LICENSE"}
    assert names - about == {f"shopstream/{source}" for source in artefacts.sources}


def test_the_sdist_holds_the_rooms_and_what_builds_them(artefacts: Artefacts) -> None:
    with tarfile.open(artefacts.sdist) as sdist:
        names = {PurePosixPath(*PurePosixPath(each.name).parts[1:]) for each in sdist if each.isfile()}
    names = {name for name in names if name.parts[0] != "shopstream.egg-info"}
    assert {str(name) for name in names if len(name.parts) == 1} == BESIDE_THE_ROOMS
    assert {str(name) for name in names if len(name.parts) > 1} == artefacts.sources


def test_nothing_is_said_against_the_build(artefacts: Artefacts) -> None:
    """Setuptools warns of what it will not do any more some day."""
    assert [line for line in artefacts.log.splitlines() if "WARN" in line.upper() or "deprecat" in line.lower()] == []


def test_every_room_says_that_it_is_typed(artefacts: Artefacts) -> None:
    with zipfile.ZipFile(artefacts.wheel) as wheel:
        assert {f"shopstream/{room}/py.typed" for room in ROOMS} <= set(wheel.namelist())
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        about = BytesParser().parsebytes(wheel.read(metadata))
    assert about["Version"] == PROJECT["version"]
    assert "Typing :: Typed" in about.get_all("Classifier", [])
    assert set(about.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])


def captures_an_event(empty: Empty, visible: Path, folder: Path) -> None:
    environment = {
        "CAPTURE_SPOOL_DIRECTORY": str(folder / "spool"),
        "CAPTURE_PUBSUB_ENABLED": "false",
        "CAPTURE_FILE_ENABLED": "true",
        "CAPTURE_FILE_PATH": str(folder / "events"),
    }
    event_id = empty.run("python", "-c", ROUND_TRIP, visible=visible, environment=environment).strip()
    assert event_id
    (file,) = (folder / "events").glob("search/**/*.ndjson")
    assert event_id in file.read_text()
    assert PROJECT["version"] in empty.run("shopstream-capture", "--version", visible=visible)


def test_capture_from_the_wheel_needs_nothing_but_what_is_declared(
    from_wheel: Empty, visible: Path, tmp_path: Path
) -> None:
    captures_an_event(from_wheel, visible, tmp_path)


@pytest.mark.long
def test_capture_from_the_sdist_is_the_same(from_sdist: Empty, visible: Path, tmp_path: Path) -> None:
    captures_an_event(from_sdist, visible, tmp_path)


@pytest.mark.parametrize(
    ("command", "extra"),
    [("shopstream-features", "features"), pytest.param("shopstream-pipeline", "pipeline", marks=pytest.mark.long)],
)
def test_a_command_needs_its_extra_and_nothing_else(
    from_wheel: Empty, tmp_path: Path, command: str, extra: str
) -> None:
    show(required(extra), tmp_path / extra)
    assert f"Usage: {command}" in from_wheel.run(command, "--help", visible=tmp_path / extra)


@pytest.mark.long
def test_its_types_reach_whoever_installed_it(from_wheel: Empty, visible: Path, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(TYPED)
    command = ["mypy", "--strict", "--python-executable", str(from_wheel.folder / "bin/python"), "service.py"]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={"PATH": os.defpath, "PYTHONPATH": str(visible)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    (wrong, _) = done.stdout.splitlines()
    assert 'service.py:6: error: Argument 1 to "track" of "Capture" has incompatible type "int"' in wrong
