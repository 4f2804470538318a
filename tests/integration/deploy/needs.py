"""Which permissions a request needs, and which a role holds: as far as requests and roles of ours go."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp

from deploy.access import ROLES as OURS
from deploy.access import Grant, Kind
from shopstream.schemas import CloudSettings
from shopstream.schemas.landing import LANDING_SUFFIX
from shopstream.schemas.table import Dataset

from .recording import Request

_READS_ROWS = {"bigquery.datasets.get", "bigquery.tables.get", "bigquery.tables.getData", "bigquery.tables.list"}
_MAKES_TABLES = {f"bigquery.tables.{what}" for what in ("create", "delete", "update", "updateData")}
_OBJECTS = {f"storage.objects.{what}" for what in ("create", "delete", "get", "list", "update")}

ROLES: Mapping[str, frozenset[str]] = {
    **{name: frozenset(role.permissions) for name, role in OURS.items()},
    # https://docs.cloud.google.com/iam/docs/roles-permissions/bigquery
    "roles/bigquery.jobUser": frozenset({"bigquery.jobs.create"}),
    "roles/bigquery.metadataViewer": frozenset(_READS_ROWS - {"bigquery.tables.getData"}),
    "roles/bigquery.dataViewer": frozenset(_READS_ROWS),
    "roles/bigquery.dataEditor": frozenset(_READS_ROWS | _MAKES_TABLES),
    # https://docs.cloud.google.com/iam/docs/roles-permissions/pubsub
    "roles/pubsub.publisher": frozenset({"pubsub.topics.publish"}),
    "roles/pubsub.subscriber": frozenset({"pubsub.subscriptions.consume"}),
    "roles/pubsub.viewer": frozenset({"pubsub.subscriptions.get", "pubsub.topics.get"}),
    # https://docs.cloud.google.com/iam/docs/roles-permissions/storage
    "roles/storage.objectCreator": frozenset({"storage.objects.create"}),
    "roles/storage.objectUser": frozenset(_OBJECTS),
    # https://docs.cloud.google.com/iam/docs/roles-permissions/secretmanager
    "roles/secretmanager.secretAccessor": frozenset({"secretmanager.versions.access"}),
    # https://docs.cloud.google.com/iam/docs/roles-permissions/artifactregistry: no code of ours fetches an image.
    "roles/artifactregistry.reader": frozenset(),
    # https://docs.cloud.google.com/iam/docs/roles-permissions/dataflow: what Dataflow's own code on a worker does.
    "roles/dataflow.worker": frozenset(),
}

_METHODS: Mapping[str, tuple[str, ...]] = {
    # https://docs.cloud.google.com/bigquery/docs/reference/rest: each method's page names its permission.
    r"GET /bigquery/v2/projects/[^/]+/datasets/[^/]+": ("bigquery.datasets.get",),
    r"GET /bigquery/v2/projects/[^/]+/datasets/[^/]+/tables": ("bigquery.tables.list",),
    r"POST /bigquery/v2/projects/[^/]+/datasets/[^/]+/tables": ("bigquery.tables.create",),
    r"GET /bigquery/v2/projects/[^/]+/datasets/[^/]+/tables/[^/]+": ("bigquery.tables.get",),
    r"PATCH /bigquery/v2/projects/[^/]+/datasets/[^/]+/tables/[^/]+": ("bigquery.tables.get", "bigquery.tables.update"),
    r"DELETE /bigquery/v2/projects/[^/]+/datasets/[^/]+/tables/[^/]+": ("bigquery.tables.delete",),
    r"GET /bigquery/v2/projects/[^/]+/datasets/[^/]+/tables/[^/]+/data": ("bigquery.tables.getData",),
    # https://docs.cloud.google.com/bigquery/docs/streaming-data-into-bigquery#required_permissions
    r"POST /bigquery/v2/projects/[^/]+/datasets/[^/]+/tables/[^/]+/insertAll": ("bigquery.tables.updateData",),
    # https://docs.cloud.google.com/bigquery/docs/running-jobs: who made a job may see it and its result.
    r"GET /bigquery/v2/projects/[^/]+/(queries|jobs)/[^/]+": (),
    r"(POST|PUT) (/upload)?/bigquery/v2/projects/[^/]+/(queries|jobs)": (),
    # https://docs.cloud.google.com/bigquery/docs/write-api#required_permissions
    r"google.cloud.bigquery.storage.v1.BigQueryWrite/\w+ .*": ("bigquery.tables.updateData",),
    # https://docs.cloud.google.com/pubsub/docs/access-control#required_permissions
    r"google.pubsub.v1.Publisher/Publish .*": ("pubsub.topics.publish",),
    r"google.pubsub.v1.Publisher/GetTopic .*": ("pubsub.topics.get",),
    r"google.pubsub.v1.Subscriber/(Pull|Acknowledge|ModifyAckDeadline) .*": ("pubsub.subscriptions.consume",),
    # https://docs.cloud.google.com/storage/docs/access-control/iam-json
    r"GET /storage/v1/b/[^/]+/iam/testPermissions": (),
    r"GET /storage/v1/b/[^/]+/o": ("storage.objects.list",),
    r"GET (/download)?/storage/v1/b/[^/]+/o/.+": ("storage.objects.get",),
    r"DELETE /storage/v1/b/[^/]+/o/.+": ("storage.objects.delete",),
    r"(POST|PUT) /upload/storage/v1/b/[^/]+/o": ("storage.objects.create",),
    # The client asks for the bucket's place, for its traces, beside a request, and does without it where it may not:
    # https://github.com/googleapis/google-cloud-python/tree/main/packages/google-cloud-storage
    r"GET /storage/v1/b/[^/]+": (),
}


@dataclass(frozen=True)
class Need:
    """A permission that a component used on something."""

    component: str
    permission: str
    kind: Kind
    on: str

    def is_met_by(self, grant: Grant) -> bool:
        """Whether the grant holds it: on the thing itself, or on the dataset it is in."""
        within = (self.kind, self.on) == (grant.kind, grant.on) or (
            grant.kind == "dataset" and self.kind == "table" and self.on.partition(".")[0] == grant.on
        )
        return within and self.component == grant.component and self.permission in ROLES[grant.role]


@dataclass(frozen=True)
class Names:
    """How things of Google's are called in the table of grants."""

    settings: CloudSettings
    buckets: Mapping[str, str]
    topics: Mapping[str, str]

    def table(self, dataset: str, table: str = "") -> tuple[Kind, str]:
        """A dataset by its suffix, a table with its name."""
        suffix = dataset.removeprefix(self.settings.bigquery_dataset)
        assert suffix in {*Dataset, LANDING_SUFFIX}, dataset
        return ("table", f"{suffix}.{table}") if table else ("dataset", suffix)

    def of(self, path: str) -> tuple[Kind, str]:
        """What a path or a routing header names."""
        if found := re.search(r"/datasets/([^/]+)(?:/tables/([^/]+))?", path):
            return self.table(found[1], found[2] or "")
        if found := re.search(r"/b/([^/]+)", path):
            return "bucket", self.buckets[found[1]]
        if found := re.search(r"/topics/([^/]+)", path):
            return "topic", self.topics[found[1]]
        if path.endswith(f"/subscriptions/{self.settings.pubsub_subscription}"):
            return "subscription", "pipeline"
        return "project", ""


def needs_of(request: Request, names: Names) -> Iterator[Need]:
    """What one request needs.

    Raises:
        KeyError: It is of a method that is not known here.
    """

    def need(permission: str, kind: Kind, on: str) -> Need:
        return Need(request.component, permission, kind, on)

    asked = f"{request.method} {request.path}"
    known = [permissions for pattern, permissions in _METHODS.items() if re.fullmatch(pattern, asked)]
    if not known:
        raise KeyError(asked)
    kind, on = names.of(request.path)
    yield from (need(permission, kind, on) for permission in known[0])
    if "storage.objects.create" in known[0] and "ifGenerationMatch" not in request.query:
        # What writes over an object deletes it; a request that says `0` never does.
        yield need("storage.objects.delete", kind, on)
    elif request.query.get("ifGenerationMatch", "0") != "0":
        yield need("storage.objects.delete", kind, on)
    if isinstance(request.body, dict):
        for permission, place in _of_a_document(request.body, on.partition(".")[0], names):
            yield need(permission, *place)


def _of_a_document(body: Mapping[str, Any], dataset: str, names: Names) -> Iterator[tuple[str, tuple[Kind, str]]]:
    """What a view or a job needs beside what its method does."""
    if view := body.get("view"):
        # https://docs.cloud.google.com/bigquery/docs/authorized-datasets: who writes a view that may read a dataset for
        # its readers must be able to say of that dataset who may.
        for table in _tables_of(sqlglot.parse_one(view["query"], dialect="bigquery")):
            yield "bigquery.tables.getData", names.table(table.db, table.name)
            if names.table(table.db)[1] != dataset:
                yield "bigquery.datasets.get", names.table(table.db)
                yield "bigquery.datasets.update", names.table(table.db)
    if configuration := body.get("configuration"):
        yield "bigquery.jobs.create", ("project", "")
        yield from _of_a_job(configuration, names)


def _of_a_job(configuration: Mapping[str, Any], names: Names) -> Iterator[tuple[str, tuple[Kind, str]]]:
    if load := configuration.get("load"):
        goal = load["destinationTable"]
        # https://docs.cloud.google.com/bigquery/docs/batch-loading-data#required_permissions
        for what in ("create", "updateData", "update"):
            yield f"bigquery.tables.{what}", names.table(goal["datasetId"], goal["tableId"])
    elif query := configuration.get("query"):
        assert not query.get("destinationTable"), query
        default = query.get("defaultDataset", {}).get("datasetId", "")
        for statement in sqlglot.parse(query["query"], dialect="bigquery"):
            if statement is not None:
                yield from _of_a_statement(statement, default, names)
    else:
        raise KeyError(f"a job of kind {sorted(configuration)}")


def _of_a_statement(statement: exp.Expr, default: str, names: Names) -> Iterator[tuple[str, tuple[Kind, str]]]:
    """https://docs.cloud.google.com/bigquery/docs/data-manipulation-language, and of a query getData of what it names.

    What a view is made of needs nothing of its reader, for the view's dataset may read it:
    https://docs.cloud.google.com/bigquery/docs/authorized-datasets
    """
    if isinstance(statement, exp.Transaction | exp.Commit | exp.Rollback):
        return
    assert isinstance(statement, exp.Query | exp.Insert | exp.Update | exp.Delete | exp.Merge), statement.sql()
    goal = None if isinstance(statement, exp.Query) else statement.find(exp.Table)
    if goal is not None:
        yield "bigquery.tables.updateData", names.table(goal.db or default, goal.name)
    for table in _tables_of(statement):
        # INSERT alone reads nothing of its goal; UPDATE and DELETE look for rows in it.
        if not (table is goal and isinstance(statement, exp.Insert)):
            yield "bigquery.tables.getData", names.table(table.db or default, table.name)


def _tables_of(statement: exp.Expr) -> Iterator[exp.Table]:
    """Tables and views it names; not its own WITH, nor arrays that it unnests."""
    own = {cte.alias for cte in statement.find_all(exp.CTE)}
    for table in statement.find_all(exp.Table):
        if table.name and (table.db or table.name not in own):
            yield table
