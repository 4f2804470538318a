"""Who may do what on Google Cloud, and why: from this table Terraform's bindings and docs/permissions.md follow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import (
    ALERTS,
    COST_ESTIMATES,
    DECISIONS,
    INSTRUCTION_OUTCOMES,
    INSTRUCTIONS,
    LIVE_REORDERS,
    LIVE_SESSIONS,
    LOOKUPS,
    QUALITY_RESULTS,
    WRITTEN_INSIGHTS,
    WarehouseTable,
)

Component: TypeAlias = Literal["capture", "job", "features", "upkeep", "privacy", "serving", "scheduler", "analysts"]
Kind: TypeAlias = Literal["project", "dataset", "table", "bucket", "topic", "subscription", "secret"]

COMPONENTS: dict[Component, str] = {
    "capture": "the collector, and services that capture",
    "job": "the streaming job's workers on Dataflow",
    "features": "the nightly and hourly feature jobs",
    "upkeep": "closing days, quality, cost and alerts",
    "privacy": "erasure, access, replay, and what is asked for in the console",
    "serving": "the HTTP API and the console",
    "scheduler": "Cloud Scheduler, which starts the jobs",
    "analysts": "people who query; a group, not a service account",
}
"""Each but the last has a service account of its own."""

WRITE_ROWS = "shopstreamRowWriter"
"""A role of ours: reads and changes rows of a table, and cannot make, change or delete a table."""
WRITE_ROWS_PERMISSIONS = (
    "bigquery.datasets.get",
    "bigquery.tables.get",
    "bigquery.tables.getData",
    "bigquery.tables.list",
    "bigquery.tables.updateData",
)


@dataclass(frozen=True)
class Grant:
    """One right of one component."""

    component: Component
    role: str
    kind: Kind
    on: str
    """The resource: of a dataset its suffix, of a table that and its name, of others their key in Terraform."""
    why: str


def _table(table: WarehouseTable) -> str:
    return f"{table.table.dataset}.{table.table.name}"


def _reads(component: Component, why: str, *datasets: Dataset) -> Iterator[Grant]:
    for dataset in datasets:
        yield Grant(component, "roles/bigquery.dataViewer", "dataset", dataset, why)


def _asks(component: Component, why: str) -> Grant:
    return Grant(component, "roles/bigquery.jobUser", "project", "", why)


def _grants() -> Iterator[Grant]:
    yield Grant("capture", "roles/pubsub.publisher", "topic", "events", "publishes packed events")
    yield Grant(
        "capture", "roles/storage.objectCreator", "bucket", "archive", "the Cloud Storage backend, where it is on"
    )
    yield Grant("capture", "roles/secretmanager.secretAccessor", "secret", "collector-keys", "keys of the collector")

    yield Grant(
        "job", "roles/dataflow.worker", "project", "", "Dataflow gives its workers nothing on less than a project"
    )
    yield _asks("job", "asks whether rows in doubt are stored, and what models and consent say")
    yield Grant("job", "roles/pubsub.subscriber", "subscription", "pipeline", "pulls and acknowledges events")
    yield Grant("job", "roles/pubsub.viewer", "subscription", "pipeline", "Beam's source looks the subscription up")
    for dataset in (Dataset.RAW, Dataset.FAILED):
        yield Grant("job", WRITE_ROWS, "dataset", dataset, "stores events, and those that failed")
    for table in (LIVE_REORDERS, LIVE_SESSIONS):
        yield Grant("job", WRITE_ROWS, "table", _table(table), "live features")
    yield from _reads("job", "weights, rhythms, purchases, consent and who is erased", Dataset.VIEWS, Dataset.FEATURES)
    yield from _reads("job", "tombstones of who is erased", Dataset.PRIVACY)
    yield Grant("job", "roles/storage.objectUser", "bucket", "staging", "Dataflow's own files")
    yield Grant("job", "roles/storage.objectCreator", "bucket", "failed", "copies of failed events")

    yield _asks("features", "feature jobs are statements")
    yield from _reads("features", "events, each once, with consent", Dataset.VIEWS)
    for dataset in (Dataset.FEATURES, Dataset.AGGREGATES, Dataset.PRIVACY):
        yield Grant(
            "features",
            "roles/bigquery.dataEditor",
            "dataset",
            dataset,
            "makes a candidate beside each table, checks it, replaces a partition, and drops it",
        )
    yield Grant("features", WRITE_ROWS, "table", _table(QUALITY_RESULTS), "what the checks found")
    yield Grant("features", "roles/storage.objectUser", "bucket", "models", "keeps models and the one in force")
    yield Grant(
        "features", "roles/secretmanager.secretAccessor", "secret", "training-export-key", "pseudonyms of training sets"
    )

    yield _asks("upkeep", "closing days, rules and estimates are statements")
    yield from _reads(
        "upkeep",
        "what is closed, looked at and estimated",
        Dataset.RAW,
        Dataset.FAILED,
        Dataset.FEATURES,
        Dataset.AGGREGATES,
        Dataset.PRIVACY,
    )
    for dataset in (Dataset.STABLE, Dataset.VIEWS):
        yield Grant(
            "upkeep", "roles/bigquery.dataEditor", "dataset", dataset, "closes days, and writes into views up to when"
        )
    for table in (QUALITY_RESULTS, COST_ESTIMATES, ALERTS):
        yield Grant("upkeep", WRITE_ROWS, "table", _table(table), "what was found, estimated and told")
    yield Grant("upkeep", "roles/pubsub.publisher", "topic", "alerts", "tells of alerts")
    for secret in ("alert-webhook-url", "alert-webhook-secret"):
        yield Grant(
            "upkeep", "roles/secretmanager.secretAccessor", "secret", secret, "where alerts are told, and signed"
        )

    yield _asks("privacy", "looks for a user in every table")
    yield from _reads("privacy", "finds a user's sessions, and replays into views", Dataset.VIEWS)
    for dataset in (
        Dataset.RAW,
        Dataset.STABLE,
        Dataset.FAILED,
        Dataset.FEATURES,
        Dataset.AGGREGATES,
        Dataset.OPS,
        Dataset.PRIVACY,
    ):
        yield Grant("privacy", WRITE_ROWS, "dataset", dataset, "deletes a user's rows, stores what is replayed")
    for bucket in ("archive", "failed"):
        yield Grant("privacy", "roles/storage.objectUser", "bucket", bucket, "takes a user's lines out of objects")
    yield Grant("privacy", "roles/secretmanager.secretAccessor", "secret", "privacy-key", "the hash of erased users")

    yield _asks("serving", "what Redis does not have is asked of the warehouse")
    yield from _reads(
        "serving",
        "what is served and shown; of failed events only counts, by a view",
        Dataset.VIEWS,
        Dataset.FEATURES,
        Dataset.AGGREGATES,
        Dataset.OPS,
    )
    for table in (DECISIONS, WRITTEN_INSIGHTS, LOOKUPS, INSTRUCTIONS):
        yield Grant("serving", WRITE_ROWS, "table", _table(table), "notes what was decided, looked up and asked for")
    yield Grant(
        "serving", "roles/bigquery.dataViewer", "table", _table(INSTRUCTION_OUTCOMES), "shows what came of instructions"
    )
    yield Grant("serving", "roles/secretmanager.secretAccessor", "secret", "serving-api-keys", "the keys file")

    yield Grant("analysts", "roles/bigquery.jobUser", "project", "", "queries run somewhere")
    yield from _reads("analysts", "views, and through them nothing that names a person's words", Dataset.VIEWS)


GRANTS: tuple[Grant, ...] = tuple(_grants())


def access_json() -> str:
    """deploy/terraform/generated/access.json."""
    value = {
        "components": [
            {"name": name, "what": what, "has_account": name != "analysts"} for name, what in COMPONENTS.items()
        ],
        "row_writer": {"role_id": WRITE_ROWS, "permissions": list(WRITE_ROWS_PERMISSIONS)},
        "grants": [{name: str(value) for name, value in vars(grant).items()} for grant in GRANTS],
    }
    return json.dumps(value, indent=2) + "\n"


def permissions_page() -> str:
    """docs/permissions.md: who may do what, and why."""
    return "\n".join(_page_lines()) + "\n"


def _page_lines() -> Iterator[str]:
    yield "# Permissions\n"
    yield "Generated by `make docs` from `deploy/access.py`, as are Terraform's bindings; do not edit. Nothing else is"
    yield "granted."
    yield "`shopstreamRowWriter` is a role of ours: " + ", ".join(f"`{each}`" for each in WRITE_ROWS_PERMISSIONS) + "."
    yield "It reads and changes rows; it cannot make, change or delete a table. BigQuery knows no right to insert that"
    yield "is not one to delete too."
    for name, what in COMPONENTS.items():
        yield f"\n## {name}: {what}\n"
        theirs = [grant for grant in GRANTS if grant.component == name]
        if not theirs:
            yield "Starts the jobs of `deploy/terraform/run.tf`, each by a right on that job."
            continue
        yield "| may | on | because it |"
        yield "|---|---|---|"
        for grant in theirs:
            yield f"| `{grant.role.removeprefix('roles/')}` | {_on(grant)} | {grant.why} |"


def _on(grant: Grant) -> str:
    match grant.kind:
        case "project":
            return "the project"
        case "dataset":
            return f"dataset `shopstream{grant.on}`"
        case "table":
            return f"table `shopstream{grant.on}`"
        case _:
            return f"{grant.kind} `{grant.on}`"
