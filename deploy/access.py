"""Who may do what on Google Cloud, and why: from this table Terraform's bindings and docs/permissions.md follow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shopstream.schemas.landing import LANDING_SUFFIX
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
    WarehouseTable,
)

Component: TypeAlias = Literal[
    "capture", "job", "pubsub", "land", "features", "upkeep", "privacy", "serving", "scheduler", "analysts"
]
Kind: TypeAlias = Literal["project", "dataset", "table", "bucket", "topic", "subscription", "secret", "repository"]

COMPONENTS: dict[Component, str] = {
    "capture": "the collector, and services that capture",
    "job": "the streaming job's workers on Dataflow",
    "pubsub": "Pub/Sub itself, where it writes events into BigQuery",
    "land": "the command that moves what Pub/Sub wrote to the raw tables",
    "features": "the nightly and hourly feature jobs",
    "upkeep": "closing days, quality, cost and alerts",
    "privacy": "erasure, access, replay, and what is asked for in the console",
    "serving": "the HTTP API and the console",
    "scheduler": "Cloud Scheduler, which starts the jobs",
    "analysts": "people who query; a group, not a service account",
}
"""Each but the last has a service account of its own."""
ONLY_WITH: dict[Component, str] = {
    "job": "dataflow",
    "pubsub": "bigquery_subscription",
    "land": "bigquery_subscription",
}
"""Those there are only with this value of Terraform's variable `ingest`, or with `both`."""

WRITE_ROWS = "shopstreamRowWriter"
SHARE_WITH_VIEWS = "shopstreamViewSharer"


@dataclass(frozen=True)
class Role:
    """A role of ours, where Google's hold too much."""

    title: str
    what: str
    permissions: tuple[str, ...]


ROLES: dict[str, Role] = {
    WRITE_ROWS: Role(
        "Shopstream row writer",
        "Reads and changes rows of a table; cannot make, change or delete a table. BigQuery knows no right to insert "
        "that is not one to delete too.",
        (
            "bigquery.datasets.get",
            "bigquery.tables.get",
            "bigquery.tables.getData",
            "bigquery.tables.list",
            "bigquery.tables.updateData",
        ),
    ),
    SHARE_WITH_VIEWS: Role(
        "Shopstream view sharer",
        "What BigQuery asks of who writes a view that may read this dataset for its readers. It could also change who "
        "else may read the dataset.",
        ("bigquery.datasets.get", "bigquery.datasets.update"),
    ),
}


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


def _grants_of_privacy() -> Iterator[Grant]:
    yield _asks("privacy", "looks for a user in every table")
    yield from _reads("privacy", "finds a user's sessions, and replays into views", Dataset.VIEWS)
    for dataset in (
        Dataset.RAW,
        Dataset.STABLE,
        Dataset.FAILED,
        Dataset.FEATURES,
        Dataset.PRIVACY,
    ):
        yield Grant("privacy", WRITE_ROWS, "dataset", dataset, "deletes a user's rows, stores what is replayed")
    for dataset in (Dataset.AGGREGATES, Dataset.OPS):
        yield Grant(
            "privacy",
            "roles/bigquery.metadataViewer",
            "dataset",
            dataset,
            "certifies how long deleted rows can be read",
        )
    for bucket in ("archive", "failed"):
        yield Grant("privacy", "roles/storage.objectUser", "bucket", bucket, "takes a user's lines out of objects")
    yield Grant("privacy", "roles/secretmanager.secretAccessor", "secret", "privacy-key", "the hash of erased users")


def _grants_without_the_job() -> Iterator[Grant]:
    yield Grant("pubsub", WRITE_ROWS, "dataset", LANDING_SUFFIX, "writes events into the landing table")
    yield _asks("land", "moving events is statements")
    yield Grant("land", WRITE_ROWS, "dataset", LANDING_SUFFIX, "reads what waits, and deletes what it has moved")
    for dataset in (Dataset.RAW, Dataset.FAILED):
        yield Grant("land", WRITE_ROWS, "dataset", dataset, "stores events, and those that failed")
    yield from _reads("land", "tombstones of who is erased", Dataset.PRIVACY)
    yield Grant("land", "roles/storage.objectCreator", "bucket", "failed", "copies of failed events")
    yield Grant("land", "roles/secretmanager.secretAccessor", "secret", "privacy-key", "the hash of erased users")


def _grants() -> Iterator[Grant]:
    yield Grant("capture", "roles/pubsub.publisher", "topic", "events", "publishes packed events")
    yield Grant("capture", "roles/pubsub.viewer", "topic", "events", "its doctor sees whether the topic is there")
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
    yield Grant(
        "job", "roles/artifactregistry.reader", "repository", "images", "workers and the launcher fetch their image"
    )
    yield Grant("job", "roles/secretmanager.secretAccessor", "secret", "privacy-key", "the hash of erased users")

    yield from _grants_without_the_job()

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
    yield Grant("upkeep", WRITE_ROWS, "dataset", Dataset.STABLE, "closes days")
    yield Grant(
        "upkeep", "roles/bigquery.dataEditor", "dataset", Dataset.VIEWS, "writes into views which days are closed"
    )
    for dataset in (Dataset.RAW, Dataset.STABLE, Dataset.PRIVACY):
        yield Grant("upkeep", SHARE_WITH_VIEWS, "dataset", dataset, "writes views that read it")
    for table in (QUALITY_RESULTS, COST_ESTIMATES, ALERTS):
        yield Grant("upkeep", WRITE_ROWS, "table", _table(table), "what was found, estimated and told")
    yield Grant("upkeep", "roles/pubsub.publisher", "topic", "alerts", "tells of alerts")
    for secret in ("alert-webhook-url", "alert-webhook-secret"):
        yield Grant(
            "upkeep", "roles/secretmanager.secretAccessor", "secret", secret, "where alerts are told, and signed"
        )

    yield from _grants_of_privacy()

    yield _asks("serving", "what Redis does not have is asked of the warehouse")
    yield from _reads(
        "serving",
        "what is served and shown; of failed events only counts, by a view",
        Dataset.VIEWS,
        Dataset.AGGREGATES,
        Dataset.OPS,
    )
    for table in (DECISIONS, LOOKUPS, INSTRUCTIONS):
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
            {"name": name, "what": what, "has_account": name != "analysts", "ingest": ONLY_WITH.get(name, "either")}
            for name, what in COMPONENTS.items()
        ],
        "roles": [{"role_id": role_id, **vars(role)} for role_id, role in ROLES.items()],
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
    yield "Tests look at the requests of every component: all they need is granted, and each grant is needed."
    for role_id, role in ROLES.items():
        yield f"\n`{role_id}` is a role of ours: {', '.join(f'`{each}`' for each in role.permissions)}."
        yield role.what
    for name, what in COMPONENTS.items():
        yield f"\n## {name}: {what}\n"
        if name in ONLY_WITH:
            yield f'Only with `ingest = "{ONLY_WITH[name]}"` or `"both"`.\n'
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
