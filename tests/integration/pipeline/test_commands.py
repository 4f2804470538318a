"""shopstream-pipeline as an operator runs it, against the emulators."""

import gzip
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from shopstream.schemas import ALL_TABLES, ALL_VIEWS
from tests.integration.commands import run_command
from tests.integration.conftest import Warehouse

COMMAND = str(Path(sys.executable).parent / "shopstream-pipeline")
GOLDEN = Path(__file__).parents[2] / "golden"


def run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command("shopstream-pipeline", *arguments, environment=environment)


def test_applying_twice_changes_nothing(warehouse: Warehouse) -> None:
    environment = dict(warehouse.environment) | {"BIGQUERY_DATASET": "applied_twice"}
    first = json.loads(run(environment, "tables", "apply", "--json").stdout)
    assert len(first) == len(ALL_TABLES) + len(ALL_VIEWS)
    assert {step["action"] for step in first} == {"create"}
    again = json.loads(run(environment, "tables", "apply", "--json").stdout)
    assert {step["action"] for step in again} == {"keep"}
    assert run(environment, "tables", "plan").returncode == 0


def test_a_table_that_is_missing_or_differs_is_found(warehouse: Warehouse) -> None:
    place = f"{warehouse.settings.google_cloud_project}.{warehouse.settings.bigquery_dataset}_raw"
    warehouse.client.delete_table(f"{place}.orders")
    table = warehouse.client.get_table(f"{place}.searches")
    table.labels = {"contract": "0000"}
    warehouse.client.update_table(table, ["labels"])
    done = run(warehouse.environment, "tables", "plan", "--json")
    assert done.returncode == 1
    steps = {step["name"]: step["action"] for step in json.loads(done.stdout)}
    assert (steps[f"{place}.orders"], steps[f"{place}.searches"]) == ("create", "change")
    doctor = run(warehouse.environment, "doctor")
    assert doctor.returncode == 1
    assert "orders: create" in doctor.stdout


def test_tables_are_partitioned_by_day_and_expire(warehouse: Warehouse) -> None:
    for table in ALL_TABLES:
        name = f"{warehouse.settings.bigquery_dataset}{table.table.dataset}.{table.table.name}"
        found = warehouse.client.get_table(f"{warehouse.settings.google_cloud_project}.{name}")
        assert found.time_partitioning.field == table.table.partition_by
        assert found.time_partitioning.expiration_ms == (table.table.expiry_days or 0) * 86_400_000
        assert tuple(found.clustering_fields or ()) == table.table.cluster_by


def test_a_backfill_takes_files_of_any_kind_and_twice_shows_everything_once(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    valid = b"".join((GOLDEN / kind / "valid.ndjson").read_bytes() for kind in ("search", "order", "product"))
    invalid = b"".join((GOLDEN / kind / "invalid.ndjson").read_bytes() for kind in ("search", "order", "product"))
    (tmp_path / "plain.ndjson").write_bytes(valid)
    (tmp_path / "packed.ndjson.gz").write_bytes(gzip.compress(invalid, mtime=0))
    events, failures = len(valid.splitlines()), len(invalid.splitlines())
    for _ in range(2):
        done = run(warehouse.environment, "backfill", f"{tmp_path}/*", "--json")
        assert done.returncode == 0, done.stderr
        counts = json.loads(done.stdout)
        assert (counts["events_stored"], counts["events_failed"]) == (events, failures)
    seen = warehouse.rows(
        "SELECT event_id FROM `{views}.searches` UNION ALL SELECT event_id FROM `{views}.orders` "
        "UNION ALL SELECT event_id FROM `{views}.products`"
    )
    assert len(seen) == len({row["event_id"] for row in seen}) == events
    assert warehouse.rows("SELECT COUNT(*) AS n FROM `{failed}.failed_events_once`") == [{"n": failures}]


def test_unknown_fields_are_kept_for_a_later_column(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_bytes((GOLDEN / "search/valid.ndjson").read_bytes())
    assert run(warehouse.environment, "backfill", f"{tmp_path}/*").returncode == 0
    rows = warehouse.rows(
        "SELECT JSON_VALUE(additional_properties, '$.a_new_field.deep[0]') AS deep FROM `{views}.searches` "
        "WHERE additional_properties IS NOT NULL"
    )
    assert rows == [{"deep": "1"}]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "GOOGLE_CLOUD_PROJECT"),
        ({"GOOGLE_CLOUD_PROJECT": "my-project"}, "DATAFLOW_STAGING"),
        ({"GOOGLE_CLOUD_PROJECT": "my-project", "DATAFLOW_STAGING": "my-bucket"}, "DATAFLOW_STAGING"),
        ({"GOOGLE_CLOUD_PROJECT": "my-project", "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}, "BIGQUERY_EMULATOR_HOST"),
        ({"GOOGLE_CLOUD_PROJECT": "my-project", "PUBSUB_EMULATOR_HOST": "here"}, "PUBSUB_EMULATOR_HOST"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_status_2(environment: dict[str, str], named: str) -> None:
    done = run(environment, "run")
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_warehouse_that_does_not_answer_is_status_75(warehouse: Warehouse) -> None:
    gone = dict(warehouse.environment) | {"BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1"}
    done = run(gone, "tables", "plan")
    assert done.returncode == 75, done.stderr
    assert "Traceback" not in done.stderr


def test_a_backfill_of_no_file_is_one_sentence_and_status_2(warehouse: Warehouse, tmp_path: Path) -> None:
    done = run(warehouse.environment, "backfill", f"{tmp_path}/*.ndjson")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("*.ndjson")
    assert "Traceback" not in done.stderr
