"""What an extra brings: the distributions it requires, and their files, as they are installed here."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import Distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: Mapping[str, list[str]] = PROJECT["optional-dependencies"]


@cache
def _installed() -> Mapping[str, Distribution]:
    return {canonicalize_name(each.name): each for each in distributions()}


def required(*extras: str) -> Mapping[str, Distribution]:
    """Every distribution that `shopstream[extras]` requires, however indirectly, by its name."""
    found: dict[str, Distribution] = {}
    seen = set()
    waiting = [Requirement(line) for line in PROJECT["dependencies"]]
    waiting.append(Requirement(f"shopstream[{','.join(extras)}]"))
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, *sorted(wanted.extras)) in seen:
            continue
        seen.add((name, *sorted(wanted.extras)))
        if name == "shopstream":
            waiting += [Requirement(line) for extra in wanted.extras for line in EXTRAS[extra]]
            continue
        found[name] = _installed()[name]
        waiting += _required_by(found[name], wanted.extras | {""})
    return found


def _required_by(distribution: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for line in distribution.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement


def files(distribution: Distribution) -> Iterator[tuple[Path, Path]]:
    """Each file of it beside its place below site-packages; without what Python compiled and without commands."""
    for file in distribution.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            yield Path(str(distribution.locate_file(file))), Path(file)


def megabytes(found: Mapping[str, Distribution]) -> float:
    """What they take on the disk."""
    return sum(path.stat().st_size for each in found.values() for path, _ in files(each)) / 1e6


def show(found: Mapping[str, Distribution], folder: Path) -> None:
    """Make the folder a place to import these from and nothing else, by links."""
    for distribution in found.values():
        for path, place in files(distribution):
            _link(path, folder / place)
            if path.suffix == ".py" and (compiled := Path(cache_from_source(str(path)))).exists():
                _link(compiled, folder / place.parent / "__pycache__" / compiled.name)


def _link(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(path)
