"""What a benchmark found: one JSON file a benchmark, and the page rendered from all of them."""

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"

_HEAD = """# Benchmarks

Rendered by `make bench-NAME` from one run on one machine, everything side by side in that run; rates on a small shared
machine are noisy, ratios less so. Each script is in `benchmarks/`.
"""


Rows = list[dict[str, Any]]
"""What was measured, as the rows of a table."""

_SECTION = re.compile(r"^## .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Goal:
    """What was set out to be reached, and whether it was."""

    goal: str
    limit: float
    measured: float
    holds: bool


def at_least(goal: str, limit: float, value: float) -> Goal:
    """A goal that a figure is to reach."""
    return Goal(goal, limit, round(value, 4), value >= limit)


def at_most(goal: str, limit: float, value: float) -> Goal:
    """A goal that a figure is not to exceed."""
    return Goal(f"{goal}, at most", limit, round(value, 4), value <= limit)


def show(tables: Mapping[str, Rows], goals: Sequence[Goal]) -> None:
    """Print rows and goals, a line each."""
    for rows in tables.values():
        for row in rows:
            click.echo("  ".join(str(value) for value in row.values()))
    for goal in goals:
        click.echo(f"{'reached' if goal.holds else 'NOT reached'}: {goal.goal} {goal.measured} (goal {goal.limit})")


def write(
    name: str,
    title: str,
    tables: Mapping[str, Sequence[dict[str, Any]]],
    goals: Sequence[Goal],
    *,
    packages: Sequence[str],
    peers: Mapping[str, str] | None = None,
    part: str = "",
) -> Path:
    """Keep a run's figures as benchmarks/results/NAME.json, or as NAME.PART.json.

    Args:
        name: Of the make target, after `bench-`.
        title: Of its section.
        tables: Rows by what they show.
        goals: What was set out to be reached; may be none.
        packages: Those whose versions matter.
        peers: Versions of what was measured beside, where that is installed elsewhere.
        part: Of a run that takes long: each part has a section of its own.
    """
    RESULTS.mkdir(exist_ok=True)
    slug = re.sub("[^a-z0-9]+", "-", part.lower()).strip("-")
    file = RESULTS / f"{name}.{slug}.json" if part else RESULTS / f"{name}.json"
    found = {
        "title": f"{title}: {part}" if part else title,
        "run": f"make bench-{name}",
        "day": str(date.today()),  # noqa: DTZ011 - the day on the wall of whoever measured
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": {"Python": platform.python_version(), **{package: version(package) for package in packages}},
        "peers": dict(peers or {}),
        "tables": {title: list(rows) for title, rows in tables.items()},
        "goals": [asdict(goal) for goal in goals],
    }
    file.write_text(json.dumps(found, indent=2) + "\n")
    return file


def render(page: str) -> str:
    """The page with every result there is in place of its section; the sections of other machines' runs stay."""
    sections = {section.partition("\n")[0]: section for section in _SECTION.findall(page)}
    for file in RESULTS.glob("*.json"):
        found = json.loads(file.read_text())
        sections[f"## {found['title']}"] = _section(found)
    return "\n".join([_HEAD, *(sections[heading].rstrip("\n") + "\n" for heading in sorted(sections))])


def _section(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{package} {number}" for package, number in found["versions"].items())
    lines = [f"## {found['title']}\n", f"`{found['run']}`, {found['day']}; {found['machine']}; {versions}.\n"]
    if found["peers"]:
        lines.append(f"Beside: {', '.join(f'{package} {number}' for package, number in found['peers'].items())}.\n")
    for title, rows in found["tables"].items():
        lines += [f"### {title}\n", *_table(rows), ""]
    if found["goals"]:
        goals = [{**goal, "holds": "yes" if goal["holds"] else "**no**"} for goal in found["goals"]]
        lines += ["### Goals\n", *_table(goals), ""]
    return "\n".join(lines)


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = list(rows[0])
    return [
        f"| {' | '.join(names)} |",
        f"|{'---|' * len(names)}",
        *(f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in rows),
    ]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} rendered\n")
