"""What a release tells Terraform: its images by digest, and its template.

Example: python -m deploy.containers.release --registry europe-west1-docker.pkg.dev/my-shop/shopstream
--template gs://my-shop-shopstream-staging/templates/1.json images/*.json, where the files are what
`docker buildx bake --metadata-file` wrote.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROLES = {"features", "job", "serving", "upkeep"}
"""Whose images Terraform runs."""


def release_variables(built: Iterable[dict[str, Any]], registry: str, template: str) -> dict[str, Any]:
    """The variables `images` and `template`. The collector is not among them: it runs beside who captures."""
    digests = {
        role: result["containerimage.digest"] for each in built for role, result in each.items() if role in ROLES
    }
    missing = sorted(ROLES - digests.keys())
    if missing:
        raise SystemExit(f"No image was built for {', '.join(missing)}")
    return {
        "images": {role: f"{registry}/{role}@{digest}" for role, digest in sorted(digests.items())},
        "template": template,
    }


def main() -> None:
    """Print them as the JSON of a *.auto.tfvars.json."""
    parser = argparse.ArgumentParser(description="What a release tells Terraform.")
    parser.add_argument("--registry", required=True)
    parser.add_argument("--template", required=True)
    parser.add_argument("built", nargs="+", type=Path)
    given = parser.parse_args()
    built = [json.loads(path.read_text()) for path in given.built]
    print(json.dumps(release_variables(built, given.registry, given.template), indent=2))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
