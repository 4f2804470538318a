"""What can be imported is written down, and what is imported by others can be."""

import importlib
import re
from pathlib import Path

from deploy.api_reference import MODULES, api_pages

ROOT = Path(__file__).parents[2]


def test_the_api_reference_is_fresh_and_every_public_name_says_what_it_is() -> None:
    files = {path.name: path.read_text() for path in (ROOT / "docs/api").glob("*")}
    assert files == api_pages(), "run `make docs`"


def test_what_the_documents_import_is_public() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/examples").glob("*.py")]
    text = "\n".join(page.read_text() for page in pages)
    imports = re.findall(r"^ *from (shopstream[\w.]*) import (?:\(([^)]*)\)|(.*))$", text, re.MULTILINE)
    used = {(module, name.strip()) for module, *names in imports for name in "".join(names).split(",") if name.strip()}
    assert used
    public = {(module, name) for module in MODULES for name in importlib.import_module(module).__all__}
    assert used - public == set()
