"""What the components ask of Google's services, against what the table grants them."""

from pathlib import Path

import pytest

from deploy.access import GRANTS, Grant
from deploy.local.stack import LocalStack

from ..console.conftest import give
from ..console.shop import rows_of_the_shop
from .components import (
    FORMS,
    PAGES,
    QUESTIONS,
    made_cloud,
    run_backfill,
    run_by_hand,
    run_capture,
    run_job,
    run_jobs,
    run_land,
    run_serving,
)
from .needs import Need

NOT_SEEN_HERE = {
    ("analysts", ""): "people, not a component",
    ("job", "roles/dataflow.worker"): "Dataflow's own code on the worker",
    ("job", "roles/artifactregistry.reader"): "Dataflow's own code on the worker",
    ("job", "roles/pubsub.viewer"): "Beam's source on Dataflow; here another one pulls",
    ("pubsub", ""): "Pub/Sub's own code",
    ("job", "bucket staging"): "Dataflow's own code on the worker",
    (
        "",
        "roles/secretmanager.secretAccessor",
    ): "Cloud Run reads secrets for its jobs; of the job test_secret_manager.py",
}
"""Grants whose use no request of these tests shows: of whom, and which role or thing."""


def missing(needs: set[Need]) -> list[Need]:
    """What no grant gives."""
    return sorted((need for need in needs if not any(need.is_met_by(grant) for grant in GRANTS)), key=str)


def is_needed(grant: Grant, needs: set[Need]) -> bool:
    """Whether something would be missing without it."""
    others = [other for other in GRANTS if other is not grant]
    return any(need.is_met_by(grant) and not any(need.is_met_by(other) for other in others) for need in needs)


def is_seen_here(grant: Grant) -> bool:
    """Whether requests over the wire should show its use."""
    return not any(
        component in ("", grant.component) and what in ("", grant.role, f"{grant.kind} {grant.on}")
        for component, what in NOT_SEEN_HERE
    )


def test_what_the_quick_commands_ask_for_is_granted(stack: LocalStack, storage_address: str, tmp_path: Path) -> None:
    with made_cloud(stack, storage_address, tmp_path, "rights") as cloud:
        run_capture(cloud)
        # A table by a model, one by a query.
        cloud.run("features", ["shopstream-features", "run", "reorder_weights", "queries", "--as-of", "yesterday"])
        run_backfill(cloud)
        run_serving(cloud, ["/cost"], ["/users/u-1/reorders"], FORMS[1:3])
        cloud.run("privacy", ["shopstream-pipeline", "instructions", "run"])
        cloud.run("upkeep", ["shopstream-pipeline", "cost", "--keep"])
        needs = cloud.needs()
    assert missing(needs) == []
    assert {need.component for need in needs} == {"capture", "job", "features", "serving", "privacy", "upkeep"}


@pytest.mark.long
def test_all_that_is_asked_for_is_granted_and_all_that_is_granted_is_asked_for(
    stack: LocalStack, storage_address: str, tmp_path: Path
) -> None:
    with made_cloud(stack, storage_address, tmp_path, "all_rights") as cloud:
        give(cloud.warehouse, rows_of_the_shop())
        run_capture(cloud)
        run_serving(cloud, PAGES, QUESTIONS, FORMS)
        run_by_hand(cloud)
        run_jobs(cloud)
        run_land(cloud)
        run_job(cloud)
        run_backfill(cloud)
        needs = cloud.needs()
    assert missing(needs) == []
    assert [grant for grant in GRANTS if is_seen_here(grant) and not is_needed(grant, needs)] == []
