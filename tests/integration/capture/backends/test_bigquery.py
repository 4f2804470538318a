"""Rows BigQuery refuses, one by one and by the request: a server that is told to, for its emulator refuses nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shopstream.capture import Counter, open_capture, search
from shopstream.capture.backends import Backend, RefusedInPart
from shopstream.capture.backends.bigquery import BigQuery
from shopstream.capture.spool_format import Record
from shopstream.pipeline.arrival import Delivery, Line
from shopstream.pipeline.rows import event_row
from shopstream.pipeline.validate import validate
from shopstream.schemas import CloudSettings, Reason, Unavailable, read_settings
from shopstream.schemas.message import FAILED_EVENT

from .far_ends import NOW

Answer = tuple[int, dict[str, Any]]
ACCEPTED: Answer = (200, {})


@dataclass
class ScriptedBigQuery:
    """Keeps the requests it was sent and answers by a function of each."""

    answer: Callable[[dict[str, Any]], Answer] = lambda _: ACCEPTED
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    address: str = ""

    def backend(self) -> Backend:
        environ = {"GOOGLE_CLOUD_PROJECT": "shopstream-test", "BIGQUERY_EMULATOR_HOST": self.address}
        return BigQuery(read_settings(CloudSettings, environ), timeout_seconds=10, now=lambda: NOW)

    def ids(self) -> list[list[str]]:
        return [[row["insertId"] for row in request["rows"]] for request in self.requests]


@pytest.fixture
def scripted() -> Iterator[ScriptedBigQuery]:
    script = ScriptedBigQuery()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.requests.append(body)
            script.paths.append(self.path)
            status, answer = script.answer(body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    script.address = f"http://127.0.0.1:{server.server_port}"
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


def ids(records: list[Record]) -> list[str]:
    return [json.loads(record.document)["event_id"] for record in records]


def says(reason: str, *places: int) -> Answer:
    errors = [{"reason": reason, "location": "query", "message": "the secret value"}]
    return 200, {"insertErrors": [{"index": place, "errors": errors} for place in places]}


def test_rows_are_those_of_the_pipeline_under_their_event_ids(scripted: ScriptedBigQuery, events: Any) -> None:
    batch = events.golden()
    scripted.backend().send(tuple(batch))
    sent = {row["insertId"]: row["json"] for request in scripted.requests for row in request["rows"]}
    lines = [Line(record.document, 0, Delivery("1", {}, NOW)) for record in batch]
    rows = [event_row(validate(line, NOW), NOW) for line in lines]
    assert sent == {row.event_id: row.values for row in rows}
    assert len(scripted.requests) == len({record.event_type for record in batch})
    assert all(request["skipInvalidRows"] for request in scripted.requests)


def test_a_failed_event_goes_to_its_own_dataset(scripted: ScriptedBigQuery, events: Any) -> None:
    scripted.backend().send((events.failed(),))
    (path,) = scripted.paths
    assert "/datasets/shopstream_failed/tables/failed_events/" in path


def test_requests_hold_at_most_500_rows_and_9_megabytes(scripted: ScriptedBigQuery, events: Any) -> None:
    many, large = events.searches(1201), [events.largest() for _ in range(12)]
    scripted.backend().send((*many, *large))
    searches = [request for request, path in zip(scripted.requests, scripted.paths, strict=True) if "searches" in path]
    assert [len(request["rows"]) for request in searches] == [500, 500, 201]
    assert all(len(json.dumps(request, ensure_ascii=False).encode()) < 9_500_000 for request in scripted.requests)
    assert sorted(one for request in scripted.ids() for one in request) == sorted(ids([*many, *large]))


def test_refused_rows_are_named_exactly_and_the_others_are_stored(scripted: ScriptedBigQuery, events: Any) -> None:
    batch = tuple(events.searches(600))
    answers = iter([says("invalid", 1, 3), says("invalid", 99)])
    scripted.answer = lambda _: next(answers)
    with pytest.raises(RefusedInPart) as raised:
        scripted.backend().send(batch)
    assert list(raised.value.refusals) == [1, 3, 599]
    assert {(each.reason, each.field) for each in raised.value.refusals.values()} == {(Reason.ROW_REFUSED, "query")}
    assert "secret" not in str(raised.value)
    assert len(scripted.requests) == 2


def test_rows_stopped_by_a_refused_one_are_sent_again_without_it(scripted: ScriptedBigQuery, events: Any) -> None:
    batch = events.searches(4)
    refused, stopped = says("invalid", 2)[1]["insertErrors"], says("stopped", 0, 1, 3)[1]["insertErrors"]
    scripted.answer = lambda body: (200, {"insertErrors": refused + stopped}) if len(body["rows"]) == 4 else ACCEPTED
    with pytest.raises(RefusedInPart) as raised:
        scripted.backend().send(tuple(batch))
    assert list(raised.value.refusals) == [2]
    assert scripted.ids() == [ids(batch), ids([batch[0], batch[1], batch[3]])]


@pytest.mark.parametrize("reason", ["stopped", "timeout", "backendError", "quotaExceeded"])
def test_rows_that_are_passed_over_for_no_fault_of_theirs_come_again(
    scripted: ScriptedBigQuery, events: Any, reason: str
) -> None:
    batch = tuple(events.searches(2))
    scripted.answer = lambda _: says(reason, 1)
    backend = scripted.backend()
    with pytest.raises(Unavailable, match="searches passed over 1 rows"):
        backend.send(batch)
    scripted.answer = lambda _: ACCEPTED
    backend.send(batch)
    assert scripted.requests[0] == scripted.requests[1]


@pytest.mark.parametrize("status", [400, 413])
def test_a_request_refused_as_a_whole_is_halved_until_the_row_is_found(
    scripted: ScriptedBigQuery, events: Any, status: int
) -> None:
    batch = events.searches(16)
    to_blame = ids(batch)[7]
    scripted.answer = lambda body: (status, {}) if any(r["insertId"] == to_blame for r in body["rows"]) else ACCEPTED
    with pytest.raises(RefusedInPart) as raised:
        scripted.backend().send(tuple(batch))
    assert list(raised.value.refusals) == [7]
    taken = [one for request in scripted.ids() if to_blame not in request for one in request]
    assert sorted(taken) == sorted(one for one in ids(batch) if one != to_blame)


def test_a_table_that_refuses_failed_events_is_set_up_wrongly(scripted: ScriptedBigQuery, events: Any) -> None:
    scripted.answer = lambda _: says("invalid", 0)
    with pytest.raises(Unavailable, match="failed_events refuses failed events: shopstream-pipeline tables check"):
        scripted.backend().send((events.failed(),))


def test_through_capture_a_refused_row_becomes_a_failed_event_and_its_neighbours_are_stored(
    scripted: ScriptedBigQuery, tmp_path: Path
) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        bad = [place for place, row in enumerate(body["rows"]) if row["json"].get("query") == "bad"]
        return says("invalid", *bad) if bad else ACCEPTED

    scripted.answer = answer
    environ = {
        "GOOGLE_CLOUD_PROJECT": "shopstream-test",
        "BIGQUERY_EMULATOR_HOST": scripted.address,
        "CAPTURE_SPOOL_DIRECTORY": str(tmp_path / "spool"),
        "CAPTURE_PUBSUB_ENABLED": "false",
        "CAPTURE_BIGQUERY_ENABLED": "true",
    }
    capture = open_capture(environ)
    tracked = [capture.track(search(query_id="q", query=query)) for query in ("red", "bad", "white", "rose")]
    assert capture.drain(20)
    assert capture.close(20) == 0
    assert capture.counts()[Counter.BACKEND_REFUSED] == 1
    found = zip(scripted.paths, scripted.requests, strict=True)
    failed = [row["json"] for path, request in found if "failed_events" in path for row in request["rows"]]
    assert [(row["event_id"], row["reason"], row["field"]) for row in failed] == [(tracked[1], "row_refused", "query")]
    accounted = {
        one for path, request in zip(scripted.paths, scripted.ids(), strict=True) for one in request if "ledger" in path
    }
    assert {one for request in scripted.ids() for one in request} == {*tracked} | accounted


def test_a_record_of_another_contract_is_refused_alone(scripted: ScriptedBigQuery, events: Any) -> None:
    (good,) = events.searches(1)
    other = Record("search", good.document[:-1] + b',"a_new_field":1}')
    newer = Record("review", b'{"event_type":"review","event_id":"01a1fe4c-abc0-7430-8b1c-be221eae62fc"}')
    with pytest.raises(RefusedInPart) as raised:
        scripted.backend().send((other, good, newer))
    reasons = {place: refusal.reason for place, refusal in raised.value.refusals.items()}
    assert reasons == {0: Reason.UNKNOWN_FIELD, 2: Reason.UNKNOWN_EVENT_TYPE}
    assert scripted.ids() == [ids([good])]


def test_a_failed_event_of_another_contract_waits(scripted: ScriptedBigQuery) -> None:
    with pytest.raises(Unavailable, match="refuses failed events"):
        scripted.backend().send((Record(FAILED_EVENT, b'{"event_id":"1"}'),))
