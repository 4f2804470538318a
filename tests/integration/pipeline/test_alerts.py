"""Somebody hears of it: from rows in tables to a message at a topic and at a webhook, once."""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google.cloud import pubsub_v1

from deploy.local.stack import beside_python
from shopstream.ml_features.warehouse import load_rows
from shopstream.pipeline.alerts.find import find
from shopstream.pipeline.alerts.rules import AlertRules, PriceMoves, QualityBreaks, RankMoves, SegmentShrinks
from shopstream.pipeline.alerts.tell import SIGNATURE, channels_of
from shopstream.pipeline.alerts.watch import Look, look
from shopstream.pipeline.options import PipelineSettings
from shopstream.pipeline.warehouse import ask, insert_rows
from shopstream.schemas import read_settings
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id, raw_table_id
from tests.integration.commands import run_command
from tests.integration.conftest import Warehouse

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "a-secret-of-the-webhook"  # noqa: S105 - of the test
RULES = AlertRules(
    rules=(
        PriceMoves(name="prices", kind="price_moves", percent=10),
        QualityBreaks(name="volume", kind="quality_breaks", patterns=("volume.search",)),
        QualityBreaks(name="late", kind="quality_breaks", patterns=("freshness.order",), severity="critical"),
    )
)


@dataclass
class Hook:
    """A server that takes POSTs, and remembers them."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    """The next answers; 204 after these."""
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    heard: threading.Event = field(default_factory=threading.Event)
    """Set with the first."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = made.answers.pop(0) if made.answers else 204
            if status == 204:
                made.taken.append((dict(self.headers), body))
                made.heard.set()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", made.url)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}/hook?token=secret"
        yield made
        server.shutdown()
        thread.join()


@dataclass
class Office:
    """A warehouse, a topic and a webhook."""

    warehouse: Warehouse
    settings: PipelineSettings
    subscription: str
    hook: Hook
    rules: AlertRules = RULES

    def look(self, now: datetime) -> Look:
        with channels_of(self.settings) as channels:
            return look(self.warehouse.client, self.settings, self.rules, channels, now)

    def published(self) -> list[dict[str, Any]]:
        """What the topic was given since the last time, by what is in it."""
        found: list[dict[str, Any]] = []
        with pubsub_v1.SubscriberClient() as subscriber:
            while True:
                request = {"subscription": self.subscription, "max_messages": 100, "return_immediately": True}
                answer = subscriber.pull(request=request, timeout=10, retry=None)
                if not answer.received_messages:
                    return found
                ids = [each.ack_id for each in answer.received_messages]
                subscriber.acknowledge(request={"subscription": self.subscription, "ack_ids": ids}, timeout=10)
                for each in answer.received_messages:
                    body = json.loads(each.message.data)
                    assert dict(each.message.attributes) == {n: body[n] for n in ("message_id", "rule", "severity")}
                    found.append(body)


@pytest.fixture
def office(warehouse: Warehouse, hook: Hook) -> Office:
    topic = f"{warehouse.settings.pubsub_topic}-alerts"
    environment = {
        **warehouse.environment,
        "ALERT_TOPIC": topic,
        "ALERT_WEBHOOK_URL": hook.url,
        "ALERT_WEBHOOK_SECRET": SECRET,
    }
    settings = read_settings(PipelineSettings, environment)
    publisher = pubsub_v1.PublisherClient()
    path = publisher.topic_path(settings.google_cloud_project, topic)
    publisher.create_topic(name=path, timeout=10, retry=None)
    publisher.stop()
    with pubsub_v1.SubscriberClient() as subscriber:
        subscription = subscriber.subscription_path(settings.google_cloud_project, topic)
        subscriber.create_subscription(request={"name": subscription, "topic": path}, timeout=10, retry=None)
    return Office(warehouse, settings, subscription, hook)


def event(event_type: str, number: int, received_at: datetime, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"01a1f640-f3c5-79e9-a5b7-{number:012x}",
        "event_type": event_type,
        "schema_version": 1,
        "source": "shop",
        "imported": False,
        **dict.fromkeys(("occurred_at", "received_at", "ingested_at"), received_at.isoformat()),
        **fields,
    }


def arrive(warehouse: Warehouse, *rows: dict[str, Any]) -> None:
    for kind in {row["event_type"] for row in rows}:
        of_kind = [row for row in rows if row["event_type"] == kind]
        documents, ids = [json.dumps(row).encode() for row in of_kind], [row["event_id"] for row in of_kind]
        assert insert_rows(warehouse.client, raw_table_id(warehouse.settings, kind), documents, ids) == []


def priced(number: int, price: str, received_at: datetime) -> dict[str, Any]:
    listed = {"product_id": "tea", "name": "Tea", "category": ["drinks"], "availability": "in_stock"}
    return event("product", number, received_at, **listed, price=price, currency="EUR")


def trouble(warehouse: Warehouse) -> None:
    """A price that moved, hardly any searches, and no order for more than a day."""
    arrive(
        warehouse,
        priced(1, "4.00", NOW - timedelta(days=3)),
        priced(2, "5.00", NOW - timedelta(minutes=1)),
        event(
            "order",
            3,
            NOW - timedelta(hours=25),
            order_id="o",
            status="placed",
            currency="EUR",
            total_amount="1",
            items=[],
        ),
        *(
            event(
                "search",
                10 * week + n,
                NOW - timedelta(weeks=week, minutes=30),
                query_id=f"q{week}{n}",
                query="tea",
                page=1,
            )
            for week in range(1, 5)
            for n in range(10)
        ),
        event("search", 99, NOW - timedelta(minutes=30), query_id="q", query="tea", page=1),
    )


def test_a_price_move_a_volume_drop_and_a_late_type_arrive_once_at_topic_and_webhook(office: Office) -> None:
    trouble(office.warehouse)
    first = office.look(NOW)
    assert (first.found, first.opened, first.told, first.untold) == (3, 3, 6, 0)
    published = {body["rule"]: body for body in office.published()}
    assert {rule: body["severity"] for rule, body in published.items()} == {
        "prices": "warning",
        "volume": "warning",
        "late": "critical",
    }
    assert published["prices"]["text"] == "Tea costs 5.00 EUR after 4.00 (+25 %)"
    assert published["late"]["alerts"][0]["subject"] == "freshness.order"
    assert published["late"]["alerts"][0]["value"] == pytest.approx(25 * 60)
    assert [json.loads(body) for _, body in office.hook.taken] == [
        published[json.loads(body)["rule"]] for _, body in office.hook.taken
    ]
    for headers, body in office.hook.taken:
        signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers[SIGNATURE] == f"sha256={signed}"
        assert headers["Idempotency-Key"] == json.loads(body)["message_id"]
    again = office.look(NOW + timedelta(seconds=30))
    assert (again.opened, again.told) == (0, 0)
    assert office.published() == []


def test_a_webhook_that_fails_is_told_later_and_the_topic_not_twice(office: Office) -> None:
    trouble(office.warehouse)
    office.hook.answers += [500, 302, 404]
    first = office.look(NOW)
    assert (first.told, first.untold) == (3, 3)
    assert len(office.published()) == 3
    second = office.look(NOW + timedelta(seconds=30))
    assert (second.told, second.untold) == (3, 0)
    assert len(office.hook.taken) == 3
    assert office.published() == []
    place = f"{dataset_id(office.settings, Dataset.OPS)}.alerts"
    steps = ask(office.warehouse.client, f"SELECT step, channel FROM `{place}`", place)  # noqa: S608 - our own name
    assert sorted((row["step"], row["channel"] or "") for row in steps) == sorted(
        [("opened", "")] * 3 + [("told", "topic")] * 3 + [("told", "webhook")] * 3
    )


def test_what_is_over_is_noted_and_told_no_more(office: Office) -> None:
    trouble(office.warehouse)
    office.look(NOW)
    arrive(
        office.warehouse,
        event("order", 4, NOW, order_id="o2", status="placed", currency="EUR", total_amount="1", items=[]),
    )
    assert office.look(NOW + timedelta(minutes=1)).ended == 1


def test_moves_of_rank_and_segments_that_shrink_are_found(warehouse: Warehouse) -> None:
    def scored(product: str, as_of: date, rank: int) -> dict[str, Any]:
        counts = dict.fromkeys(("rating_count", "views", "cart_adds", "orders"), 0)
        row = {"as_of": str(as_of), "product_id": product, "category": "tea", "category_products": 9, **counts}
        return row | {"score": 100 - rank, "category_rank": rank}

    def shopper(number: int, as_of: date, name: str) -> dict[str, Any]:
        row = {"as_of": str(as_of), "user_id": f"u{number}", "window_days": 180, "persona": name}
        return row | {"since": str(as_of), "orders": 3}

    def give(dataset: Dataset, table: str, rows: list[dict[str, Any]]) -> None:
        place = f"{dataset_id(warehouse.settings, dataset)}.{table}"
        load_rows(warehouse.client, warehouse.client.get_table(place), rows)

    today, before, week_before = NOW.date(), NOW.date() - timedelta(days=1), NOW.date() - timedelta(days=7)
    give(
        Dataset.AGGREGATES,
        "product_scores",
        [scored("up", before, 7), scored("up", today, 2), scored("same", before, 3), scored("same", today, 4)],
    )
    give(
        Dataset.FEATURES,
        "personas",
        [
            *(shopper(n, week_before, "explorer") for n in range(30)),
            *(shopper(n, today, "explorer") for n in range(20)),
            *(shopper(n, today, "steady") for n in range(20, 30)),
            # Too few to say anything.
            *(shopper(n, week_before, "stock_up") for n in range(30, 40)),
        ],
    )
    rules = AlertRules(
        rules=(
            RankMoves(name="ranks", kind="rank_moves", places=5),
            SegmentShrinks(name="segments", kind="segment_shrinks", percent=20),
        )
    )
    found = list(find(warehouse.client, warehouse.settings, rules, NOW))
    assert [(each.rule, each.subject, each.text) for each in found] == [
        ("ranks", "up", "up is now number 2 in tea after 7"),
        ("segments", "explorer", f"20 users are explorer after 30 on {week_before} (-33 %)"),
    ]


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command("shopstream-pipeline", "alerts", *arguments, environment=environment)


def test_it_watches_tells_once_and_stops_at_sigterm(office: Office) -> None:
    environment = {**os.environ, **office.warehouse.environment, "ALERT_WEBHOOK_URL": office.hook.url}
    command = [str(beside_python("shopstream-pipeline")), "alerts", "watch", "--every", "1"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("looks at 6 rules every 1 s and tells webhook")
        now = datetime.now(UTC)
        arrive(office.warehouse, priced(1, "4.00", now - timedelta(days=3)), priced(2, "5.00", now))
        assert office.hook.heard.wait(60)
        assert "1 opened, 0 ended, 1 messages told" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert len(office.hook.taken) == 1


def test_the_command_says_what_came_of_it_and_who_was_not_reached(office: Office) -> None:
    arrive(
        office.warehouse, priced(1, "4.00", datetime.now(UTC) - timedelta(days=3)), priced(2, "5.00", datetime.now(UTC))
    )
    environment = dict(office.warehouse.environment)
    alone = run(environment, "check")
    assert alone.returncode == 0, alone.stderr
    assert "nobody is told: neither ALERT_TOPIC nor ALERT_WEBHOOK_URL is set" in alone.stdout
    office.hook.answers.append(500)
    unheard = run(environment | {"ALERT_WEBHOOK_URL": office.hook.url}, "check", "--json")
    assert unheard.returncode == 75, unheard.stderr
    assert json.loads(unheard.stdout)["untold"] == 1
    assert "secret" not in unheard.stderr
    heard = run(environment | {"ALERT_WEBHOOK_URL": office.hook.url}, "check", "--json")
    assert (heard.returncode, json.loads(heard.stdout)["told"]) == (0, 1)
    nobody = run(environment, "watch")
    assert (nobody.returncode, "nobody would be told" in nobody.stderr) == (2, True)
    wrong = run(environment | {"ALERT_WEBHOOK_URL": "ftp://example.com"}, "check")
    assert (wrong.returncode, "ALERT_WEBHOOK_URL" in wrong.stderr) == (2, True)
