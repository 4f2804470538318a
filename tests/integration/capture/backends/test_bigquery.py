"""Rows BigQuery refuses, one by one and by the request: a server that is told to, for its emulator refuses nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shopstream.capture import Counter, open_capture, search
from shopstream.capture.backends import Backend, RefusedInPart
from shopstream.capture.backends.bigquery import BigQuery
from shopstream.capture.spool_format import Record
from shopstream.pipeline.arrival import Delivery, Line
from shopstream.pipeline.enrich import enrich
from shopstream.pipeline.validate import validate
from shopstream.schemas import CloudSettings, Reason, Unavailable, read_settings
from shopstream.schemas.message import FAILED_EVENT
from tests.integration.scripted_bigquery import ACCEPTED, Answer, ScriptedBigQuery, scripted_bigquery

from .far_ends import NOW


@pytest.fixture
def scripted() -> Iterator[ScriptedBigQuery]:
    with scripted_bigquery() as script:
        yield script


def backend_of(scripted: ScriptedBigQuery) -> Backend:
    environ = {"GOOGLE_CLOUD_PROJECT": "shopstream-test", "BIGQUERY_EMULATOR_HOST": scripted.address}
    return BigQuery(read_settings(CloudSettings, environ), timeout_seconds=10, now=lambda: NOW)


def ids(records: list[Record]) -> list[str]:
    return [json.loads(record.document)["event_id"] for record in records]


def says(reason: str, *places: int) -> Answer:
    errors = [{"reason": reason, "location": "query", "message": "the secret value"}]
    return 200, {"insertErrors": [{"index": place, "errors": errors} for place in places]}


def test_rows_are_those_of_the_pipeline_under_their_event_ids(scripted: ScriptedBigQuery, events: Any) -> None:
    batch = events.golden()
    backend_of(scripted).send(tuple(batch))
    sent = {row["insertId"]: row["json"] for request in scripted.requests for row in request["rows"]}
    lines = [Line(record.document, 0, Delivery("1", {}, NOW)) for record in batch]
    rows = [enrich(validate(line, NOW), None, (), NOW) for line in lines]
    assert sent == {row.event_id: json.loads(row.document) for row in rows}
    assert len(scripted.requests) == len({record.event_type for record in batch})
    assert all(request["skipInvalidRows"] for request in scripted.requests)


def test_a_failed_event_goes_to_its_own_dataset(scripted: ScriptedBigQuery, events: Any) -> None:
    backend_of(scripted).send((events.failed(),))
    (path,) = scripted.paths
    assert "/datasets/shopstream_failed/tables/failed_events/" in path


def test_requests_hold_at_most_500_rows_and_9_megabytes(scripted: ScriptedBigQuery, events: Any) -> None:
    many, large = events.searches(1201), [events.largest() for _ in range(12)]
    backend_of(scripted).send((*many, *large))
    searches = [request for request, path in zip(scripted.requests, scripted.paths, strict=True) if "searches" in path]
    assert [len(request["rows"]) for request in searches] == [500, 500, 201]
    assert all(len(json.dumps(request, ensure_ascii=False).encode()) < 9_500_000 for request in scripted.requests)
    assert sorted(one for request in scripted.ids() for one in request) == sorted(ids([*many, *large]))


def test_refused_rows_are_named_exactly_and_the_others_are_stored(scripted: ScriptedBigQuery, events: Any) -> None:
    batch = tuple(events.searches(600))
    answers = iter([says("invalid", 1, 3), says("invalid", 99)])
    scripted.answer = lambda _: next(answers)
    with pytest.raises(RefusedInPart) as raised:
        backend_of(scripted).send(batch)
    assert list(raised.value.refusals) == [1, 3, 599]
    assert {(each.reason, each.field) for each in raised.value.refusals.values()} == {(Reason.ROW_REFUSED, "query")}
    assert "secret" not in str(raised.value)
    assert len(scripted.requests) == 2


def test_rows_stopped_by_a_refused_one_are_sent_again_without_it(scripted: ScriptedBigQuery, events: Any) -> None:
    batch = events.searches(4)
    refused, stopped = says("invalid", 2)[1]["insertErrors"], says("stopped", 0, 1, 3)[1]["insertErrors"]
    scripted.answer = lambda body: (200, {"insertErrors": refused + stopped}) if len(body["rows"]) == 4 else ACCEPTED
    with pytest.raises(RefusedInPart) as raised:
        backend_of(scripted).send(tuple(batch))
    assert list(raised.value.refusals) == [2]
    assert scripted.ids() == [ids(batch), ids([batch[0], batch[1], batch[3]])]


@pytest.mark.parametrize("reason", ["stopped", "timeout", "backendError", "quotaExceeded"])
def test_rows_that_are_passed_over_for_no_fault_of_theirs_come_again(
    scripted: ScriptedBigQuery, events: Any, reason: str
) -> None:
    batch = tuple(events.searches(2))
    scripted.answer = lambda _: says(reason, 1)
    backend = backend_of(scripted)
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
        backend_of(scripted).send(tuple(batch))
    assert list(raised.value.refusals) == [7]
    taken = [one for request in scripted.ids() if to_blame not in request for one in request]
    assert sorted(taken) == sorted(one for one in ids(batch) if one != to_blame)


def test_a_table_that_refuses_failed_events_is_set_up_wrongly(scripted: ScriptedBigQuery, events: Any) -> None:
    scripted.answer = lambda _: says("invalid", 0)
    with pytest.raises(Unavailable, match="failed_events refuses failed events: shopstream-pipeline tables plan"):
        backend_of(scripted).send((events.failed(),))


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


def test_of_records_of_another_contract_one_with_a_field_more_is_taken(scripted: ScriptedBigQuery, events: Any) -> None:
    (good,) = events.searches(1)
    other = Record("search", good.document[:-1] + b',"a_new_field":1}')
    newer = Record("review", b'{"event_type":"review","event_id":"01a1fe4c-abc0-7430-8b1c-be221eae62fc"}')
    with pytest.raises(RefusedInPart) as raised:
        backend_of(scripted).send((other, good, newer))
    reasons = {place: refusal.reason for place, refusal in raised.value.refusals.items()}
    assert reasons == {2: Reason.UNKNOWN_EVENT_TYPE}
    first, _ = (row["json"] for request in scripted.requests for row in request["rows"])
    assert json.loads(first["additional_properties"]) == {"a_new_field": 1}
    assert scripted.ids() == [ids([other, good])]


def test_a_failed_event_of_another_contract_waits(scripted: ScriptedBigQuery) -> None:
    with pytest.raises(Unavailable, match="refuses failed events"):
        backend_of(scripted).send((Record(FAILED_EVENT, b'{"event_id":"1"}'),))
