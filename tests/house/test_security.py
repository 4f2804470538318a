"""SECURITY.md speaks of what there is: its files, its tests, its links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()


def test_every_test_it_names_is_there() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"^ *(?:async )?def (test_\w+)", code, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 50
    assert named - tests == set()


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"`(\.?[a-z_]+/[\w./-]*)`", PAGE))
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/install.md", "docs/release.md"])
def test_links_lead_somewhere(page: str) -> None:
    place = ROOT / page
    links = set(re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", place.read_text()))
    assert links
    assert {link for link in links if not (place.parent / link).exists()} == set()


def test_every_boundary_of_the_picture_has_its_threats() -> None:
    boundaries = set(re.findall(r"^### (\d)\.", PAGE, re.MULTILINE))
    assert boundaries == set(re.findall(r"─(\d)→", PAGE))
    for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        rows = re.findall(r"^\| ([STRIDE, ]+): .*\|$", part, re.MULTILINE)
        assert len(rows) >= 5, part.splitlines()[0]
