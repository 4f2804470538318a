"""The command measures the volumes of the warehouse and knows the budget."""

import json
import subprocess
from datetime import UTC, datetime, timedelta

from shopstream.pipeline.cost import measure
from tests.integration.commands import run_command
from tests.integration.conftest import Warehouse
from tests.integration.pipeline.test_quality import arrive, event


def test_volumes_are_those_of_the_days_asked_for(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    arrive(
        warehouse,
        *(event("search", n, now - timedelta(days=1), user_id=f"u-{n}") for n in range(4)),
        *(event("search", 10 + n, now - timedelta(days=9), user_id="u-1") for n in range(2)),
        event("order", 1, now - timedelta(days=2)),
    )
    volumes, users = measure(warehouse.client, warehouse.settings, now, 7)
    by_table = {volume.table: volume for volume in volumes}
    assert (by_table["searches"].events_a_day, by_table["searches"].growth) == (4 / 7, 1.0)
    assert by_table["searches"].event_bytes > 100
    assert by_table["orders"].growth is None
    assert users == 5


def test_the_command_ends_with_one_over_the_budget(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    arrive(warehouse, event("search", 1, now - timedelta(days=1)))
    environment = {**warehouse.environment}

    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        return run_command("shopstream-pipeline", "cost", *options, environment=environment)

    done = run()
    assert done.returncode == 0, done.stderr
    assert "at the list prices of 20" in done.stdout
    environment["MONTHLY_BUDGET"] = "0.000000001"
    done = run("--json")
    assert done.returncode == 1
    assert "over the budget" in done.stderr
    assert json.loads(done.stdout)["dollars"] > 0
