"""What each component runs on Google Cloud, run against the local stack over wires that note every request."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from google.cloud import pubsub_v1

from deploy.access import Component
from deploy.local.landing import create_landing
from deploy.local.stack import LocalStack, beside_python, start_part
from deploy.provider_arguments import TERRAFORM
from shopstream.pipeline.storage import connect_to_storage
from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.landing import landing_table_id
from tests.hcl_files import read_hcl

from ..commands import ROOT, run_command
from ..conftest import Warehouse, made_warehouse
from ..console.conftest import KEYS, served
from ..console.shop import USER, decision
from .needs import Names, Need, needs_of
from .recording import Recorder

Form: TypeAlias = Mapping[str, str]
BUCKETS = {"ERASE_BUCKETS": "archive", "FAILED_EVENTS_BUCKET": "failed", "MODELS_BUCKET": "models"}
PAGES = (
    *("", "/quality", "/alerts", "/cost", "/customers", "/search", "/experiments", "/products", "/audit", "/audit.csv"),
    *(f"/customers/{USER}", "/products/p-tea", f"/decisions/{decision().decision_id}"),
)
QUESTIONS = (
    *(f"/users/{USER}/{what}" for what in ("profile", "session", "reorders", "recommendations", "personas")),
    *("/products/p-tea/performance", f"/decisions/{decision().decision_id}"),
)
FORMS: Sequence[Form] = (
    {"kind": "replay", "failed_stage": "validate", "reason": "r", "confirmed": "yes"},
    {"kind": "consent", "user_id": "u", "purpose": "analytics", "granted": "false", "reason": "r", "confirmed": "yes"},
    {"kind": "hide_product", "user_id": USER, "product_id": "p-tea", "reason": "r"},
    {"kind": "erase", "user_id": USER, "repeated": USER, "reason": "r"},
)
_SECONDS = 90.0


@dataclass(frozen=True)
class Cloud:
    """A warehouse, buckets and topics, and the environment in which what is asked of them is noted."""

    warehouse: Warehouse
    environment: Mapping[str, str]
    recorder: Recorder
    folder: Path

    def run(self, component: Component, command: Sequence[str], **variables: str) -> None:
        """A command as the component; it works, or works and finds something."""
        self.recorder.component = component
        name, *arguments = command
        environment = {**self.environment, **variables}
        done = run_command(name, *arguments, environment=environment, folder=self.folder)  # type: ignore[arg-type]
        told = f"{component}: {' '.join(command)}: {done.stdout}{done.stderr}"
        assert done.returncode in (0, ExitStatus.FOUND), told
        assert "Traceback" not in done.stderr, told

    def needs(self) -> set[Need]:
        """What all that was noted needs."""
        environment = self.environment
        buckets = {environment[variable]: bucket for variable, bucket in BUCKETS.items()}
        topics = {self.warehouse.settings.pubsub_topic: "events", environment["ALERT_TOPIC"]: "alerts"}
        names = Names(self.warehouse.settings, buckets, topics)
        return {need for request in self.recorder.requests for need in needs_of(request, names)}


@contextmanager
def made_cloud(stack: LocalStack, storage_address: str, folder: Path, name: str) -> Iterator[Cloud]:
    """What Terraform makes, as far as the local stack has it."""
    recorder = Recorder()
    emulators = stack.environment
    with (
        made_warehouse(stack, name) as warehouse,
        recorder.http(emulators["BIGQUERY_EMULATOR_HOST"]) as bigquery,
        recorder.http(storage_address) as storage,
        recorder.grpc(emulators["PUBSUB_EMULATOR_HOST"]) as pubsub,
        recorder.grpc(emulators["BIGQUERY_STORAGE_EMULATOR_HOST"]) as bigquery_storage,
    ):
        environment = {
            **warehouse.environment,
            "BIGQUERY_EMULATOR_HOST": bigquery,
            "BIGQUERY_STORAGE_EMULATOR_HOST": bigquery_storage,
            "PUBSUB_EMULATOR_HOST": pubsub,
            "STORAGE_EMULATOR_HOST": storage,
            **{variable: f"{name}-{bucket}".replace("_", "-") for variable, bucket in BUCKETS.items()},
            "ALERT_TOPIC": f"{name}-alerts",
            "PRIVACY_KEY": "a-key-of-sixteen-and-more",
            "TRAINING_EXPORT_KEY": "another-key-of-sixteen-and-more",
            "LIVE_FEATURES_ENABLED": "true",
            "CAPTURE_SPOOL_DIRECTORY": str(folder / "spool"),
        }
        client = connect_to_storage(warehouse.settings.model_copy(update={"storage_emulator_host": storage_address}))
        for variable in BUCKETS:
            client.create_bucket(environment[variable])
        publisher = pubsub_v1.PublisherClient()
        publisher.create_topic(name=publisher.topic_path(emulators["GOOGLE_CLOUD_PROJECT"], environment["ALERT_TOPIC"]))
        publisher.transport.close()
        yield Cloud(warehouse, environment, recorder, folder)


def run_capture(cloud: Cloud) -> None:
    """The search service with its backends in the cloud, and the doctor that the deployment's page calls for."""
    backends = {"CAPTURE_STORAGE_ENABLED": "true", "CAPTURE_STORAGE_BUCKET": cloud.environment["ERASE_BUCKETS"]}
    golden = ROOT / "tests/golden"
    lines = b"".join((golden / kind / "valid.ndjson").read_bytes() for kind in ("search", "order"))
    (cloud.folder / "events.ndjson").write_bytes(lines + b"{\n")
    cloud.run("capture", ["shopstream-capture", "doctor"], **backends)
    cloud.run("capture", ["shopstream-capture", "track", "events.ndjson"], **backends)


def run_job(cloud: Cloud) -> None:
    """The streaming job until it has done all it does with what was captured; live features need weights."""
    cloud.recorder.component = "job"
    awaited = [
        *("/failed_events/insertAll", "/live_sessions/insertAll", "/live_reorders/insertAll"),
        *(f"/{cloud.environment['FAILED_EVENTS_BUCKET']}/o", "google.pubsub.v1.Subscriber/Acknowledge"),
    ]
    command = [str(beside_python("shopstream-pipeline")), "run"]
    job = start_part("job", command, cloud.folder, {**os.environ, **cloud.environment})
    deadline = time.monotonic() + _SECONDS
    while awaited:
        assert job.process.poll() is None, job.log.read_text()
        assert time.monotonic() < deadline, f"never asked for {awaited}: {job.log.read_text()}"
        time.sleep(0.2)
        asked = [f"{each.path} {each.method}" for each in cloud.recorder.requests]
        awaited = [each for each in awaited if not any(each in request for request in asked)]
    job.stop()


def run_backfill(cloud: Cloud) -> None:
    """The job over a file, by its other way to write."""
    events = str(ROOT / "tests/golden/order/*valid.ndjson")
    cloud.run("job", ["shopstream-pipeline", "backfill", events], BIGQUERY_WRITE_METHOD="storage_write")


def run_serving(cloud: Cloud, pages: Sequence[str], questions: Sequence[str], forms: Sequence[Form]) -> None:
    """Pages of the console, questions of the API, and what is asked for through forms."""
    cloud.recorder.component = "serving"
    running = replace(cloud.warehouse, environment=cloud.environment)
    with served(running, cloud.folder, SERVING_CACHE_SECONDS="0") as service:
        for page in pages:
            assert service.ask(page, "admin").status_code in (200, 404), page
        for question in questions:
            url = f"{service.address}/v1{question}"
            answer = httpx.get(url, headers={"X-Api-Key": KEYS["admin"][0]}, timeout=60)
            assert answer.status_code in (200, 404), (question, answer.text)
        for form in forms:
            assert service.ask("/instructions", "admin", "POST", data=form).status_code == 303, form


def run_land(cloud: Cloud) -> None:
    """The command that takes the job's place where Pub/Sub itself writes events: a good one, and one that fails."""
    settings = cloud.warehouse.settings
    create_landing(cloud.warehouse.client, settings)
    told = {
        "message_id": "1",
        "publish_time": "2026-11-20T12:00:00Z",
        "event_id": "019e9c5f-8d00-7000-8000-00000000f001",
    }
    good = json.loads((ROOT / "tests/golden/consent/valid.ndjson").read_text().splitlines()[0])
    table = landing_table_id(settings)
    assert cloud.warehouse.client.insert_rows_json(table, [told | good, told | {"message_id": "2"}]) == []
    cloud.run("land", ["shopstream-pipeline", "land"])
    assert cloud.warehouse.count(table) == 0
    cloud.warehouse.client.delete_dataset(table.rpartition(".")[0], delete_contents=True)


def run_jobs(cloud: Cloud) -> None:
    """Every job that Cloud Run runs, by its command and as its account."""
    for job in jobs().values():
        cloud.run(job["account"], job["command"])


def run_by_hand(cloud: Cloud) -> None:
    """What people start with a component's rights."""
    exported = ["training-set", "--as-of", "yesterday", "--output", "set.ndjson"]
    cloud.run("features", ["shopstream-features", *exported])
    cloud.run("privacy", ["shopstream-pipeline", "failed", "replay", "--stage", "validate"])
    cloud.run("privacy", ["shopstream-pipeline", "privacy", "export", USER])


def jobs() -> dict[str, Any]:
    """The jobs of run.tf: account, schedule and command."""
    (block,) = read_hcl(TERRAFORM / "run.tf")["locals"]
    return {name: job for name, job in block["jobs"].items() if not name.startswith("__")}
