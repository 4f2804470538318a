"""Feature commands against an empty warehouse: nothing is no error."""

import json
import os
import subprocess
from typing import TYPE_CHECKING

from deploy.local.stack import beside_python

if TYPE_CHECKING:
    from ..conftest import Warehouse


def test_a_range_without_partitions_gives_tables_without_rows(warehouse: "Warehouse") -> None:
    tables = ["search_outcomes", "sessions", "product_days", "queries"]
    done = subprocess.run(
        [
            str(beside_python("shopstream-features")),
            *("backfill", *tables, "--from", "2020-01-01", "--to", "2020-01-03", "--json"),
        ],
        env={"PATH": os.environ["PATH"], **warehouse.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    # Tables by day take the three days at once, queries are asked for each.
    assert [run["table"] for run in runs] == ["search_outcomes", "sessions", "product_days", *["queries"] * 3]
    assert {run["rows"] for run in runs} == {0}
