"""The CHANGELOG tells of the version there is, in the form it promises."""

import re
import tomllib
from datetime import date
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_begins_with_what_is_unreleased_and_goes_back_in_time() -> None:
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    releases = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})", heading) for heading in headings[1:]]
    told = [(Version(each[1]), date.fromisoformat(each[2])) for each in releases if each]
    assert len(told) == len(releases), headings
    assert told == sorted(told, reverse=True)
    version = Version(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    assert all(version >= released for released, _ in told)
    assert len(version.release) == 3


def test_what_changed_is_told_by_kind() -> None:
    kinds = re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)
    assert kinds
    assert set(kinds) <= KINDS
    for section in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        own = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert len(own) == len(set(own)), section.splitlines()[0]
