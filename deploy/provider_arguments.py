"""Which arguments the provider's documentation names for each resource that Terraform makes here.

Terraform's providers cannot be downloaded everywhere, so that `terraform validate` cannot run. What holds without them:
every resource and every argument of ours is one that the provider's documentation names. The names are kept in
deploy/terraform/provider_arguments.json, with the file and the commit they are from.

Example: python -m deploy.provider_arguments FOLDER, where FOLDER is a checkout of hashicorp/terraform-provider-google.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TERRAFORM = Path(__file__).parent / "terraform"
NAMES = TERRAFORM / "provider_arguments.json"
_RESOURCE = re.compile(r'^(resource|data) "(google_[a-z0-9_]+)"', re.MULTILINE)
_ARGUMENT = re.compile(r"^\s*[*-] `([a-z0-9_]+(?:/[a-z0-9_]+)*)`", re.MULTILINE)
_AFTER = re.compile(r"^## (?:Attributes|Timeouts|Import)", re.MULTILINE)
_ENDINGS = (".html.markdown", ".markdown", ".md")


def resources() -> dict[str, str]:
    """The resources and data sources of our files, each with which of both it is."""
    texts = (file.read_text() for file in sorted(TERRAFORM.glob("*.tf")))
    return {found[2]: found[1] for text in texts for found in _RESOURCE.finditer(text)}


def arguments_in(page: str) -> list[str]:
    """The arguments a page of the documentation names, those of nested blocks among them."""
    body = page[max(page.find("## Argument"), 0) :]
    end = _AFTER.search(body)
    named = _ARGUMENT.findall(body[: end.start()] if end else body)
    return sorted({name for names in named for name in names.split("/")})


def _pages(name: str, kind: str) -> Iterator[str]:
    folder = "r" if kind == "resource" else "d"
    short = name.removeprefix("google_")
    for stem in (short, name, short.removesuffix("_member"), name.removesuffix("_member")):
        for ending in _ENDINGS:
            yield f"website/docs/{folder}/{stem}{ending}"


def _git(folder: str, *arguments: str) -> str | None:
    command = ["git", "-C", folder, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - git, of a folder we are given
    return done.stdout if done.returncode == 0 else None


def main() -> None:
    """Write the names anew."""
    (folder,) = sys.argv[1:]
    found = {}
    for name, kind in sorted(resources().items()):
        for path in _pages(name, kind):
            if (page := _git(folder, "show", f"HEAD:{path}")) is not None:
                found[name] = {"from": path, "arguments": arguments_in(page)}
                break
        else:
            sys.exit(f"the documentation has no page of {name}")
    commit = (_git(folder, "rev-parse", "HEAD") or "").strip()
    value = {"repository": "hashicorp/terraform-provider-google", "commit": commit, "resources": found}
    NAMES.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
