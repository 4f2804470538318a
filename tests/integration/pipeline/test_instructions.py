"""What somebody asked for through the console is carried out by the pipeline's own command, once."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from shopstream.ml_features.clock import SYSTEM_CLOCK
from shopstream.ml_features.serving.store import FeatureStore
from shopstream.ml_features.settings import FeatureSettings
from shopstream.pipeline.warehouse import insert_rows
from shopstream.schemas import read_settings
from shopstream.schemas.instruction import Instruction
from shopstream.schemas.serving.views import HIDDEN_PRODUCTS
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id
from tests.integration.conftest import Warehouse, address_of

from .test_replay import GOLDEN, run

ASKED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PRIVACY_KEY = "a-key-of-sixteen-and-more"


def ask_for(warehouse: Warehouse, number: int, **fields: Any) -> str:
    """Write an instruction as the console does; its id."""
    instruction = Instruction.model_validate(
        {
            "asked_at": datetime.now(UTC) + timedelta(milliseconds=number),
            "instruction_id": f"01a1f640-f3c5-79e9-a5b7-{number:012x}",
            "key_name": "desk",
            "role": "admin",
            "reason": "asked by letter",
            **fields,
        }
    )
    place = f"{dataset_id(warehouse.settings, Dataset.PRIVACY)}.instructions"
    document = instruction.model_dump_json().encode()
    assert insert_rows(warehouse.client, place, [document], [instruction.instruction_id]) == []
    return instruction.instruction_id


def carry_out(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    outcomes: list[dict[str, Any]] = run(environment, "instructions", "run")
    return outcomes


def shown(outcomes: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["status"], each["detail"]) for each in outcomes]


def test_failed_events_are_replayed_and_a_decision_about_consent_is_recorded_each_once(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    (good, *_) = map(json.loads, GOLDEN.read_text().splitlines())
    del good["action"]
    (tmp_path / "events.ndjson").write_bytes(json.dumps(good).encode() + b"\nnot json")
    assert run(warehouse.environment, "backfill", f"{tmp_path}/events.ndjson")["events_failed"] == 2
    ask_for(warehouse, 1, kind="replay", failed_reason="missing_field", failed_field="action")
    refusal = ask_for(warehouse, 2, kind="consent", user_id="u-1", purpose="analytics", granted=False)
    waiting = run(warehouse.environment, "instructions", "list")
    assert [(each["kind"], "user_id" in each) for each in waiting] == [("replay", False), ("consent", False)]
    assert shown(carry_out(warehouse.environment)) == [
        ("replay", "done", "0 stored, 1 failed again, 0 left out"),
        ("consent", "done", "analytics refused"),
    ]
    assert carry_out(warehouse.environment) == []
    views = dataset_id(warehouse.settings, Dataset.VIEWS)
    (decision,) = warehouse.rows(f"SELECT * FROM `{views}.consents`")  # noqa: S608 - our own name
    assert (decision["event_id"], decision["source"], decision["granted"]) == (refusal, "console", False)
    (state,) = warehouse.rows(f"SELECT user_id, purpose, granted FROM `{views}.consent_states`")  # noqa: S608
    assert state == {"user_id": "u-1", "purpose": "analytics", "granted": False}


def test_a_hidden_product_is_served_from_the_warehouse_and_from_redis(
    warehouse: Warehouse, own_redis: redis.Redis
) -> None:
    with_redis = {"REDIS_ENABLED": "true", "REDIS_URL": address_of(own_redis)}
    environment = {**warehouse.environment, **with_redis}
    served = {"SERVING_CACHE_SECONDS": "0", "SERVING_DEADLINE_SECONDS": "30"}

    def hidden(user: str, variables: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
        settings = read_settings(FeatureSettings, {**warehouse.environment, **served, **variables})
        with FeatureStore(warehouse.client, settings, SYSTEM_CLOCK) as store:
            answer = store.get(HIDDEN_PRODUCTS, user)
        return answer.source, () if answer.row is None else answer.row.product_ids

    ask_for(warehouse, 1, kind="hide_product", user_id="u-1", product_id="milk")
    ask_for(warehouse, 2, kind="hide_product", user_id="u-1", product_id="tea")
    ask_for(warehouse, 3, kind="hide_product", user_id="u-2", product_id="tea")
    assert [each["status"] for each in carry_out(environment)] == ["done"] * 3
    assert hidden("u-1", with_redis) == ("redis", ("tea", "milk"))
    assert hidden("u-1", {}) == ("warehouse", ("tea", "milk"))
    ask_for(warehouse, 4, kind="show_product", user_id="u-1", product_id="tea")
    carry_out(environment)
    assert hidden("u-1", with_redis) == ("redis", ("milk",))
    # Redis came back empty: the next run puts every list there before readers look.
    own_redis.flushall()
    assert hidden("u-2", with_redis) == ("warehouse", ("tea",))
    assert carry_out(environment) == []
    assert hidden("u-2", with_redis) == ("redis", ("tea",))
    assert hidden("u-1", with_redis) == ("redis", ("milk",))
    assert hidden("nobody", with_redis) == ("redis", ())


def test_an_erasure_is_a_request_like_any_other_and_what_cannot_be_done_says_why(warehouse: Warehouse) -> None:
    request = ask_for(warehouse, 1, kind="erase", user_id="u-1")
    (unable,) = carry_out(warehouse.environment)
    assert (unable["status"], "PRIVACY_KEY" in unable["detail"]) == ("failed", True)
    second = ask_for(warehouse, 2, kind="erase", user_id="u-1")
    environment = {**warehouse.environment, "PRIVACY_KEY": PRIVACY_KEY}
    (done,) = carry_out(environment)
    assert (done["status"], done["instruction_id"]) == ("done", second)
    assert "u-1" not in json.dumps(done)
    # The instructions name the user too, and were streamed in just now: the erasure counts them, and goes on later.
    (listed,) = run(environment, "privacy", "list")
    assert (listed["request_id"], request != second) == (second, True)
    assert {each["place"].rpartition(".")[2]: each["found"] for each in listed["places"] if each["found"]} == {
        "instructions": 2
    }


def test_an_instruction_somebody_else_wrote_does_not_hold_up_the_others(warehouse: Warehouse) -> None:
    place = f"{dataset_id(warehouse.settings, Dataset.PRIVACY)}.instructions"
    strange = {
        "asked_at": datetime.now(UTC).isoformat(),
        "instruction_id": "strange",
        "key_name": "k",
        "role": "admin",
        "kind": "drop_tables",
        "reason": "why not",
    }
    assert insert_rows(warehouse.client, place, [json.dumps(strange).encode()], ["strange"]) == []
    ask_for(warehouse, 1, kind="hide_product", user_id="u-1", product_id="milk")
    assert shown(carry_out(warehouse.environment)) == [("hide_product", "done", "1 hidden from the user, for 90 days")]


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"kind": "erase"}, "user_id"),
        ({"kind": "consent", "user_id": "u", "purpose": "analytics"}, "granted"),
        ({"kind": "hide_product", "user_id": "u"}, "product_id"),
    ],
    ids=["erase", "consent", "hide"],
)
def test_an_instruction_names_what_it_needs(fields: dict[str, Any], missing: str) -> None:
    given = {"asked_at": ASKED_AT, "instruction_id": "i", "key_name": "k", "role": "admin", "reason": "r"}
    with pytest.raises(ValueError, match=f"needs {missing}"):
        Instruction.model_validate(given | fields)
