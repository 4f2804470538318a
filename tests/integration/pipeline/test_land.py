"""Events by way of a BigQuery subscription: Pub/Sub writes them to the landing table, `land` moves them on.

What the views show is what they show by way of the job, but for what docs/ingest.md says.
"""

import json
import re
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery, pubsub_v1
from google.pubsub_v1.types import PublishRequest

from deploy.local.landing import DELIVERY_ATTEMPTS, create_landing
from deploy.local.stack import LocalStack
from shopstream.capture.backends.pubsub import PubSub
from shopstream.capture.spool_format import Record
from shopstream.pipeline.arrival import Delivery, Line
from shopstream.pipeline.enrich import enrich
from shopstream.pipeline.erase import Eraser
from shopstream.pipeline.land import Landed, Mover, find_waiting, land
from shopstream.pipeline.land_sql import normalised_query_sql, store
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.validate import validate
from shopstream.pipeline.visits import Visitors, visit_of, visitor_of
from shopstream.pipeline.warehouse import ask, insert_rows
from shopstream.schemas import EVENT_TYPES, FailedEvent, Reason, Rejected, Stage, pack, read_settings
from shopstream.schemas.landing import landing_table_id
from shopstream.schemas.message import FAILED_EVENT
from shopstream.schemas.normalised_query import normalised_query
from shopstream.schemas.warehouse import RAW_TABLES, raw_table_id
from tests.integration.conftest import Warehouse, made_warehouse

GOLDEN = Path(__file__).parents[2] / "golden"
NOW = datetime.now(UTC)
"""Messages get the time of day."""
PATIENCE_SECONDS = 20.0
NOT_THE_SAME = {"additional_properties", "first_query_id", "ingested_at", "session_id", "session_inferred"}
"""Columns that docs/ingest.md says are not filled as the job fills them."""


def lines(event_type: str) -> list[bytes]:
    """Golden events as JSON; scrubbed, as capture sends them."""
    found = []
    for line in (GOLDEN / event_type / "valid.ndjson").read_bytes().splitlines():
        fields = json.loads(line)
        if "query" in fields:
            fields["query"] = fields["query"].split(" an ")[0]
        for turn in fields.get("turns", ()):
            turn["text"] = turn["text"].split(" at ")[0]
        found.append(json.dumps(fields).encode())
    return found


VALID = {event_type: lines(event_type) for event_type in EVENT_TYPES}
INVALID = {event_type: (GOLDEN / event_type / "invalid.ndjson").read_bytes().splitlines() for event_type in EVENT_TYPES}
TWICE = 3
"""So many good events are published again."""
ERASED = VALID["search"][0].replace(b"u-1", b"u-erased").replace(b"000000000001", b"00000000e001")
REFUSED = FailedEvent.of(
    Stage.CAPTURE,
    Rejected(Reason.MISSING_FIELD, "query is missing", field="query"),
    b"{}",
    NOW,
    otherwise="019e9c5f-8d00-7000-8000-00000000e002",
)


FOREIGN = VALID["consent"][0].replace(b"u-1", b"u-foreign").replace(b"000000000401", b"00000000e003")
"""As a publisher without capture may send it: the message says nothing of it."""
NO_TYPE_OF_OURS = b'{"event_id": "019e9c5f-8d00-7000-8000-00000000e004", "event_type": "heartbeat"}'


def failures(event_type: str) -> dict[bytes, tuple[str, str | None]]:
    """Why the job refuses each invalid golden event: reason and field, by its bytes."""
    rows = map(json.loads, (GOLDEN / event_type / "failed.ndjson").read_text().splitlines())
    return {b64decode(row["payload"]): (row["reason"], row["field"]) for row in rows}


NO_FAILED_EVENT = b'{"event_id": "019e9c5f-8d00-7000-8000-00000000e005", "stage": "capture"}'
ELSEWHERE = {f"019e9c5f-8d00-7000-8000-00000000e00{number}" for number in (1, 4, 5)}
"""Failed events that have a test of their own."""
WHY = {line: why for event_type in EVENT_TYPES for line, why in failures(event_type).items()}
NULL = ("wrong_type", "user_id")
"""Null where there must be a value: a column tells it from a missing field no more."""
NO_SUCH_NUMBER = (("invalid_value", "position"), ("invalid_value", "unit_price"))
UNWRITABLE = {
    line
    for line, why in WHY.items()
    if (why[0] in ("malformed_json", "not_utf8", "wrong_type") and why != NULL)
    or (why in NO_SUCH_NUMBER and b'"-1"' not in line)
}
"""What is no JSON, or has a value that is not of its column's type."""


@dataclass(frozen=True)
class Landing:
    """A warehouse that Pub/Sub wrote to and `land` ran in."""

    warehouse: Warehouse
    settings: PipelineSettings
    dead: list[Any]
    """Messages that were dead-lettered."""
    landed: list[Landed]

    def view(self, event_type: str) -> list[dict[str, object]]:
        name = RAW_TABLES[event_type].table.name
        return self.warehouse.rows(f"SELECT * FROM `{{views}}.{name}` ORDER BY event_id")  # noqa: S608 - our own name


def waiting(warehouse: Warehouse) -> int:
    return warehouse.count(landing_table_id(warehouse.settings))


def until(warehouse: Warehouse, rows: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while (there := waiting(warehouse)) < rows:
        assert time.monotonic() < end, f"{there} of {rows} rows"
        time.sleep(0.05)
    assert there == rows


def send(settings: PipelineSettings, events: Sequence[tuple[str, bytes]]) -> None:
    """As capture sends with CAPTURE_MESSAGE_EVENTS=1."""
    backend = PubSub(settings, endpoint="", timeout_seconds=10, message_events=1, message_bytes=1 << 20)
    backend.send(tuple(Record(event_type, document) for event_type, document in events))
    backend.close()


def publish(settings: PipelineSettings, messages: Sequence[tuple[bytes, dict[str, str]]]) -> None:
    """As another publisher may."""
    publisher = pubsub_v1.PublisherClient()
    topic = publisher.topic_path(settings.google_cloud_project, settings.pubsub_topic)
    contents = [{"data": data, "attributes": attributes} for data, attributes in messages]
    publisher.transport.publish(PublishRequest(topic=topic, messages=contents), timeout=10)
    publisher.transport.close()


def pulled(subscription: str, number: int) -> list[Any]:
    """So many messages of a subscription."""
    found: list[Any] = []
    with pubsub_v1.SubscriberClient() as subscriber:
        end = time.monotonic() + PATIENCE_SECONDS
        while len(found) < number:
            assert time.monotonic() < end, f"{len(found)} of {number} messages"
            answer = subscriber.pull(subscription=subscription, max_messages=100)
            found += [received.message for received in answer.received_messages]
    return found


@pytest.fixture(scope="module")
def landing(stack: LocalStack) -> Iterator[Landing]:
    with made_warehouse(stack, "t_landing") as warehouse:
        settings = read_settings(
            PipelineSettings, {**warehouse.environment, "PRIVACY_KEY": "a-key-of-sixteen-and-more"}
        )
        dead = create_landing(warehouse.client, settings)
        Eraser(warehouse.client, settings).request("u-erased", "r-1", NOW)
        good = [(event_type, line) for event_type, some in VALID.items() for line in some]
        refused = (FAILED_EVENT, REFUSED.model_dump_json(exclude_none=True).encode())
        send(settings, [*good, *good[:TWICE], ("search", ERASED), refused])
        broken = [(line, {"event_type": event_type}) for event_type, some in INVALID.items() for line in some]
        packed = pack("search", VALID["search"] * 3)
        publish(
            settings,
            [*broken, (packed.data, packed.attributes), (FOREIGN, {}), (NO_TYPE_OF_OURS, {}), (NO_FAILED_EVENT, {})],
        )
        messages = pulled(dead, len(UNWRITABLE) + 1)
        until(warehouse, len(good) + TWICE + 5 + len(broken) - len(UNWRITABLE))
        yield Landing(warehouse, settings, messages, land(warehouse.client, settings, datetime.now(UTC)))
        dataset = landing_table_id(settings).rpartition(".")[0]
        warehouse.client.delete_dataset(dataset, delete_contents=True, timeout=60, retry=None)


def test_what_breaks_its_contract_is_a_failed_event_for_the_reason_the_job_would_give(landing: Landing) -> None:
    rows = landing.warehouse.rows("SELECT * FROM `{failed}.failed_events` WHERE job = 'land'")
    broken = Counter((row["reason"], row["field"]) for row in rows if row["event_id"] not in ELSEWHERE)
    assert broken == Counter(
        ("missing_field", why[1]) if why == NULL else why for line, why in WHY.items() if line not in UNWRITABLE
    )
    assert {(row["stage"], row["line_index"], row["failed_at"] >= row["received_at"]) for row in rows} == {  # type: ignore[operator]
        ("validate", 0, True)
    }
    (kept,) = [row for row in rows if row["field"] == "total_amount"]
    assert json.loads(b64decode(str(kept["payload"])))["order_id"] == "o-1"
    assert json.loads(str(json.dumps(kept["attributes"]))) == {"event_type": "order"}


def test_what_is_of_no_known_type_is_a_failed_event_too(landing: Landing) -> None:
    rows = landing.warehouse.rows(
        "SELECT * FROM `{failed}.failed_events` WHERE event_id >= '019e9c5f-8d00-7000-8000-00000000e004'"
    )
    assert {(row["stage"], row["reason"]) for row in rows} == {
        ("validate", "unknown_event_type"),
        ("decode", "unreadable_message"),
    }


def test_what_a_message_does_not_say_of_its_event_the_event_says(landing: Landing) -> None:
    assert landing.warehouse.rows("SELECT user_id FROM `{raw}.consents` WHERE user_id = 'u-foreign'") != []


def test_queries_are_normalised_as_the_job_does_it(landing: Landing) -> None:
    queries = [
        "Oat  Milk ",
        "L\u2019Or\u00e9al",
        "Stra\u00dfe",
        "\u0130stanbul",
        "\ufb01sh\u00a0fingers",
        "\u725b\u4e73",
        "\u0e19\u0e49\u0e33",
    ]
    queries += ["\u0915\u094d\u0937\u093f", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "a\u2028b", "\u1e9b\u0323"]
    asked = bigquery.ArrayQueryParameter("queries", "STRING", queries)
    statement = f"SELECT query, {normalised_query_sql()} AS normalised FROM UNNEST(@queries) AS query"  # noqa: S608
    found = {row["query"]: row["normalised"] for row in ask(landing.warehouse.client, statement, "queries", [asked])}
    assert found == {query: normalised_query(query) for query in queries}


def test_of_an_erased_user_nothing_is_kept(landing: Landing) -> None:
    (row,) = landing.warehouse.rows("SELECT * FROM `{failed}.failed_events` WHERE reason = 'erased_user'")
    assert [row[name] for name in ("event_id", "payload", "attributes", "user_id")] == [
        *("019e9c5f-8d00-7000-8000-00000000e001", "", None, None)
    ]
    assert landing.warehouse.rows("SELECT event_id FROM `{raw}.searches` WHERE user_id = 'u-erased'") == []


def test_what_capture_refused_stays_as_capture_said(landing: Landing) -> None:
    (row,) = landing.warehouse.rows("SELECT * FROM `{failed}.failed_events` WHERE stage = 'capture'")
    assert [row[name] for name in ("event_id", "reason", "field", "job")] == [
        *(REFUSED.event_id, "missing_field", "query", None)
    ]
    assert row["received_at"] is not None


def test_what_pubsub_cannot_write_is_dead_lettered_with_its_reason(landing: Landing) -> None:
    said = {message.data: dict(message.attributes) for message in landing.dead}
    assert said.keys() >= UNWRITABLE
    assert len(said) == len(UNWRITABLE) + 1
    for attributes in said.values():
        assert attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == str(DELIVERY_ATTEMPTS)
        assert re.search(
            "is not (JSON|a JSON object)|does not convert to",
            attributes["CloudPubSubDeadLetterSourceDeliveryErrorMessage"],
        )


def test_nothing_is_left_and_each_event_was_stored_once(landing: Landing) -> None:
    stored = {each.event_type: each.stored for each in landing.landed}
    foreign = {"consent": 1 + len(VALID["consent"]), "heartbeat": 0, "serach": 0, "": 0, FAILED_EVENT: 0}
    assert stored == {event_type: len(some) for event_type, some in VALID.items()} | foreign
    assert waiting(landing.warehouse) == 0


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_views_show_what_they_show_by_way_of_the_job(event_type: str, landing: Landing) -> None:
    by_subscription = landing.view(event_type)
    raw = raw_table_id(landing.warehouse.settings, event_type)
    landing.warehouse.rows(f"DELETE FROM `{raw}` WHERE TRUE")  # noqa: S608 - our own name
    received = {row["event_id"]: row["received_at"] for row in by_subscription}
    visitors: Visitors = {}
    rows = {}
    for line in VALID[event_type]:
        event_id = json.loads(line)["event_id"]
        arrived_at: Any = received[event_id]
        event = validate(Line(line, 0, Delivery("1", {}, arrived_at)), arrived_at)
        visitor = visitor_of(event.event)
        visit = visitor and visit_of(visitors, visitor, event.event, arrived_at)
        rows[event_id] = enrich(event, visit or None, ("test-",), NOW).document
    assert insert_rows(landing.warehouse.client, raw, list(rows.values()), list(rows)) == []
    by_job = landing.view(event_type)
    assert len(by_job) == len(VALID[event_type])
    assert [without(row) for row in by_subscription if row["user_id"] != "u-foreign"] == [
        without(row) for row in by_job
    ]


def without(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in NOT_THE_SAME}


def refuse(*_: object) -> int:
    raise BadRequest("UPDATE or DELETE statement over table would affect rows in the streaming buffer")


def test_a_run_that_was_killed_half_way_is_made_whole_by_the_next(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = landing.warehouse.client
    late = [line.replace(b"8d00-7000", b"8d00-7001") for line in VALID["exposure"]]
    send(landing.settings, [("exposure", line) for line in late])
    until(landing.warehouse, len(late))
    before = landing.warehouse.count(raw_table_id(landing.settings, "exposure"))
    found = find_waiting(client, landing.settings)
    assert found is not None
    killed = Mover(client, landing.settings, found, (), NOW)
    assert killed.change(store(landing.settings, "exposure")) == len(late)
    assert waiting(landing.warehouse) == len(late)
    with monkeypatch.context() as patched:
        # The emulator has no streaming buffer, so its refusal is played.
        patched.setattr("shopstream.pipeline.warehouse.change", refuse)
        killed.clear()
    assert waiting(landing.warehouse) == len(late)
    (again,) = land(client, landing.settings, datetime.now(UTC))
    assert (again.waited, again.stored, again.refused) == (len(late), 0, 0)
    assert landing.warehouse.count(raw_table_id(landing.settings, "exposure")) == before + len(late)
    assert land(client, landing.settings, datetime.now(UTC)) == []
