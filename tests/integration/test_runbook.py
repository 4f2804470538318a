"""Every command of the runbook, as it stands there and in its order, against the local stack."""

import json
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
import redis

from shopstream.schemas.exit_status import ExitStatus

from .commands import Command, run_command
from .conftest import Warehouse, address_of

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/order/valid.ndjson"


def commands() -> list[list[str]]:
    page = (ROOT / "docs/runbook.md").read_text()
    lines = [line for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in dict.fromkeys(lines) if line.strip()]


def test_every_command_of_the_runbook_can_be_run(warehouse: Warehouse, own_redis: redis.Redis, tmp_path: Path) -> None:
    environment = {
        **warehouse.environment,
        "REDIS_ENABLED": "true",
        "REDIS_URL": address_of(own_redis),
        "PRIVACY_KEY": "a-key-of-sixteen-and-more",
    }
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/a.ndjson").write_bytes(GOLDEN.read_bytes() + b"not json\n")
    made = run_command("shopstream-features", "key", "new", "shop-web", "--json", environment=environment)
    (tmp_path / "keys").write_text(json.loads(made.stdout)["line"] + "\n")
    for command, *arguments in commands():
        assert command in get_args(Command), command
        done = run_command(command, *arguments, environment=environment, folder=tmp_path)  # type: ignore[arg-type]
        told = f"{command} {' '.join(arguments)}: {done.stdout}{done.stderr}"
        # It worked; or it worked and found something, such as rows that wait.
        assert done.returncode in (0, ExitStatus.FOUND), told
        assert "Traceback" not in done.stderr, told
        assert (done.stdout + done.stderr).strip(), told


@pytest.mark.parametrize("place", ["docs/runbook.md", "docs/deploy.md"])
def test_its_links_lead_somewhere(place: str) -> None:
    for target in re.findall(r"\]\(([a-z-]+\.md)", (ROOT / place).read_text()):
        assert (ROOT / "docs" / target).exists(), target
