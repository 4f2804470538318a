"""The collector's answers, in-process: what is kept, what is refused, and that each is said and counted."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from shopstream.capture.collector.openapi import document
from shopstream.capture.consent import WithoutConsent
from shopstream.capture.counters import Counter
from tests.unit.capture.collector.conftest import ORDER, SEARCH, Desk
from tests.unit.capture.conftest import Rig
from tests.unit.capture.test_elevenlabs import BODY, SECRET, header

EVENT_ID = "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
NOT_UTF8 = b'{"event_type":"search","query":"\xff"}'


def test_one_event_is_kept_under_the_name_of_its_key(desk: Desk) -> None:
    answer = desk.post(SEARCH | {"source": "order-servise"})
    assert answer.status_code == 200
    (kept,) = desk.kept()
    assert answer.json() == {
        "data": {"results": [{"event_id": kept["event_id"], "status": "kept"}]},
        "meta": {"request_id": "0" * 32, "kept": 1, "ignored": 0, "rejected": 0, "unavailable": 0},
    }
    assert (kept["source"], kept["query"]) == ("order-service", "red wine")


def test_a_batch_is_answered_event_by_event(desk: Desk) -> None:
    answer = desk.post([SEARCH, {"event_type": "search"}, 7, SEARCH | {"event_id": EVENT_ID}])
    assert answer.status_code == 207
    results = answer.json()["data"]["results"]
    assert [result["status"] for result in results] == ["kept", "rejected", "rejected", "kept"]
    assert (results[1]["reason"], results[1]["field"]) == ("missing_field", "query_id")
    assert results[3]["event_id"] == EVENT_ID
    assert answer.json()["meta"] == {"request_id": "0" * 32, "kept": 2, "ignored": 0, "rejected": 2, "unavailable": 0}
    assert len(desk.kept()) == 2
    assert [failed["reason"] for failed in desk.failed()] == ["missing_field"]  # 7 is no event of any kind.
    assert desk.count(Counter.COLLECTOR_UNREADABLE) == 1


def test_an_event_sent_again_after_a_lost_answer_keeps_its_id(desk: Desk) -> None:
    for _ in range(2):
        assert desk.post(SEARCH | {"event_id": EVENT_ID}).json()["data"]["results"][0]["event_id"] == EVENT_ID
    assert [event["event_id"] for event in desk.kept()] == [EVENT_ID, EVENT_ID]


def test_lines_gzip_and_text_are_read(desk: Desk) -> None:
    line = json.dumps(SEARCH).encode()
    assert desk.post(line + b"\n" + line, Content_Type="application/x-ndjson").status_code == 200
    assert desk.post(gzip.compress(line, mtime=0), Content_Encoding="gzip").status_code == 200
    assert desk.post(line, Content_Type="text/plain;charset=UTF-8").status_code == 200
    assert len(desk.kept()) == 4


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "empty_body"),
        (b"[]", {}, 400, "empty_batch"),
        (b'{"a":NaN}', {}, 400, "malformed_json"),
        (b'{"a":1,"a":1}', {}, 400, "malformed_json"),
        (b"[" * 50_000, {}, 400, "malformed_json"),
        (NOT_UTF8, {}, 400, "not_utf8"),
        (b"{}", {"Content_Encoding": "gzip"}, 400, "malformed_gzip"),
        (b"{}", {"Content_Encoding": "br"}, 415, "unsupported_encoding"),
        (b"{}", {"Content_Type": "text/html"}, 415, "unsupported_media_type"),
        (b" " * 5000, {}, 413, "body_too_large"),
        (gzip.compress(b" " * 100_000, mtime=0), {"Content_Encoding": "gzip"}, 413, "body_too_large"),
        (b"[{},{},{},{}]", {}, 413, "too_many_events"),
    ],
)
def test_a_body_that_cannot_be_read_is_the_clients_fault_and_not_kept(
    new_desk: Callable[..., Desk], body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    desk = new_desk(body_bytes=4096 if len(body) < 50_000 else 65_536, batch_events=3)
    answer = desk.post(body, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (desk.kept(), desk.failed(), desk.count(Counter.COLLECTOR_UNREADABLE)) == ([], [], 1)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"event_type": "serach"},
        {"event_type": ["search"]},
        {"event_type": None},
        SEARCH | {"query": 7},
        SEARCH | {"query": "a" * 5000},
        SEARCH | {"colour": "red"},
        SEARCH | {"occurred_at": "2999-01-01T00:00:00Z"},
        SEARCH | {"page": 10**30},
        SEARCH | {"latency_ms": -1},
        SEARCH | {"event_id": "1"},
        SEARCH | {"results": {"a": [[[]]]}},
    ],
)
def test_a_wrong_event_is_answered_422_and_becomes_a_failed_event(desk: Desk, event: dict[str, Any]) -> None:
    answer = desk.post(event)
    (result,) = answer.json()["error"]["details"]["results"]
    (failed,) = desk.failed()
    assert (answer.status_code, answer.json()["error"]["code"], result["status"]) == (422, "rejected", "rejected")
    assert (result["reason"], result["detail"]) == (failed["reason"], failed["detail"])
    assert desk.kept() == []


@pytest.mark.parametrize("field", ["writer_id", "sequence"])
def test_a_client_cannot_number_events_in_the_collectors_name(desk: Desk, field: str) -> None:
    answer = desk.post(SEARCH | {field: 1})
    (result,) = answer.json()["error"]["details"]["results"]
    assert (answer.status_code, result["reason"], result["field"]) == (422, "unknown_field", field)
    assert (desk.kept(), desk.failed(), desk.count(Counter.COLLECTOR_FORBIDDEN)) == ([], [], 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Api-Key": "sk_wrong"},
        {"Authorization": "Bearer sk_wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dTpw"},
    ],
)
def test_without_a_known_key_nothing_is_read(desk: Desk, headers: dict[str, str]) -> None:
    answer = desk.ask("POST", "/v1/events", json=SEARCH, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (desk.kept(), desk.count(Counter.COLLECTOR_UNAUTHORIZED)) == ([], 1)


def test_a_key_is_taken_from_either_header(desk: Desk) -> None:
    for headers in ({"Authorization": f"Bearer {desk.service}"}, {"X-Api-Key": desk.service}):
        assert desk.ask("POST", "/v1/events", json=SEARCH, headers=headers).status_code == 200


def test_only_a_publishable_key_is_taken_from_the_address(desk: Desk) -> None:
    assert desk.ask("POST", f"/v1/events?key={desk.page}", json=SEARCH).status_code == 200
    assert desk.ask("POST", f"/v1/events?key={desk.service}", json=SEARCH).status_code == 401
    assert [event["source"] for event in desk.kept()] == ["web"]


def test_a_page_cannot_send_what_only_a_service_knows(desk: Desk) -> None:
    alone = desk.post(ORDER, key=desk.page)
    assert (alone.status_code, alone.json()["error"]["code"]) == (403, "forbidden_event_type")
    mixed = desk.post([SEARCH, ORDER], key=desk.page)
    assert mixed.status_code == 207
    assert mixed.json()["data"]["results"][1]["reason"] == "forbidden_event_type"
    assert desk.post(ORDER).status_code == 200
    assert [event["event_type"] for event in desk.kept()] == ["search", "order"]
    assert (desk.failed(), desk.count(Counter.COLLECTOR_FORBIDDEN)) == ([], 2)


def test_in_the_open_an_event_names_its_own_source(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(open=True)
    assert desk.ask("POST", "/v1/events", json=SEARCH | {"source": "till-7"}).status_code == 200
    assert desk.ask("POST", "/v1/events", json=SEARCH).status_code == 200
    assert desk.ask("POST", "/v1/events", json=SEARCH, headers={"X-Api-Key": "sk_wrong"}).status_code == 401
    assert [event["source"] for event in desk.kept()] == ["till-7", "test"]


def test_a_key_that_sends_too_fast_waits_and_the_others_do_not(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(events_per_second=2.0, burst_events=10, batch_events=10, body_bytes=40_960)
    first = desk.post([SEARCH] * 8)
    assert (first.status_code, first.headers["RateLimit"]) == (200, '"events";r=2;t=4')
    assert first.headers["RateLimit-Policy"] == '"events";q=10;w=5'
    refused = desk.post([SEARCH] * 6)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "2"
    assert desk.post(SEARCH, key=desk.page).status_code == 200
    desk.rig.clock.seconds += 2
    assert desk.post([SEARCH] * 5).status_code == 200
    assert (len(desk.kept()), desk.count(Counter.COLLECTOR_LIMITED)) == (14, 1)


def test_a_large_event_counts_as_many_and_the_largest_request_still_passes(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(events_per_second=1.0, burst_events=1, batch_events=5, body_bytes=40_960)
    padded = json.dumps(SEARCH).encode().ljust(40_960)
    assert desk.post(padded).headers["RateLimit"] == '"events";r=0;t=10'
    assert desk.post(SEARCH).status_code == 429
    desk.rig.clock.seconds += 10
    assert (
        desk.post(gzip.compress(padded, mtime=0), Content_Encoding="gzip").headers["RateLimit"] == '"events";r=0;t=10'
    )


def test_a_full_spool_is_unavailable_not_the_clients_fault(new_desk: Callable[..., Desk], new_rig: Any) -> None:
    desk = new_desk(rig=new_rig(max_bytes=600))
    answer = desk.post([SEARCH] * 4)
    statuses = [result["status"] for result in answer.json()["data"]["results"]]
    assert (answer.status_code, answer.headers["Retry-After"]) == (207, "5")
    assert statuses == ["kept"] * statuses.count("kept") + ["unavailable"] * statuses.count("unavailable")
    again = desk.post(SEARCH)
    assert (again.status_code, again.headers["Retry-After"]) == (503, "5")
    assert again.json()["error"]["details"]["results"] == [{"status": "unavailable"}]
    assert len(desk.kept()) == statuses.count("kept") > 0


def test_probes_say_whether_it_lives_and_whether_it_takes_events(new_desk: Callable[..., Desk]) -> None:
    troubles: list[str | None] = [None, "/var/spool is full"]
    desk = new_desk(trouble=lambda: troubles.pop(0))
    assert desk.ask("GET", "/healthz").json() == {"data": {"status": "alive"}, "meta": {}}
    assert desk.ask("GET", "/readyz").json() == {"data": {"status": "ready"}, "meta": {}}
    answer = desk.ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
    assert "/var/spool" not in answer.text


def test_its_document_is_there_and_no_page_that_loads_scripts(desk: Desk) -> None:
    assert desk.ask("GET", "/openapi.json").json() == document()
    for path in ("/docs", "/redoc", "/", "/v1/events/"):
        answer = desk.ask("GET", path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_another_method_is_told_which_are_there(desk: Desk) -> None:
    answer = desk.ask("GET", "/v1/events")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"


PREFLIGHT = {
    "Origin": "https://shop.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,authorization",
}


def test_a_page_of_a_listed_site_may_send(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(origins="https://shop.example https://www.shop.example")
    preflight = desk.ask("OPTIONS", "/v1/events", headers=PREFLIGHT)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, "https://shop.example")
    headers = {"Origin": "https://shop.example"}
    sent = desk.ask("POST", f"/v1/events?key={desk.page}", content=json.dumps(SEARCH), headers=headers)
    assert (sent.status_code, sent.headers["Access-Control-Allow-Origin"]) == (200, "https://shop.example")
    refused = desk.ask("POST", "/v1/events", content=b"", headers=headers)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://shop.example")


def test_a_page_of_another_site_may_not_and_by_default_none(new_desk: Callable[..., Desk]) -> None:
    for desk, status in ((new_desk(origins="https://other.example"), 400), (new_desk(), 405)):
        preflight = desk.ask("OPTIONS", "/v1/events", headers=PREFLIGHT)
        assert preflight.status_code == status
        assert "Access-Control-Allow-Origin" not in preflight.headers


def test_a_request_id_from_outside_is_taken_over_where_it_is_one(desk: Desk) -> None:
    assert desk.ask("GET", "/healthz", headers={"X-Request-Id": EVENT_ID}).headers["X-Request-Id"] == EVENT_ID
    assert desk.ask("GET", "/healthz", headers={"X-Request-Id": "jo@shop.example"}).headers["X-Request-Id"] == "0" * 32


def test_the_log_names_the_key_and_the_route_and_nothing_of_the_client(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    headers = {"User-Agent": "secret-agent", "X-Forwarded-For": "192.0.2.7"}
    desk.ask("POST", f"/v1/events?key={desk.page}", json=[SEARCH, {"event_type": "secret"}], headers=headers)
    desk.ask("GET", "/secret/jo@shop.example")
    lines = [record.__dict__ for record in caplog.records if record.name.endswith("front_desk")]
    assert [(line["route"], line["status"], line["key"]) for line in lines] == [
        ("/v1/events", 207, "web"),
        (None, 404, None),
    ]
    assert (lines[0]["kept"], lines[0]["rejected"], lines[0]["request_id"]) == (1, 1, "0" * 32)
    logged = str([record.__dict__ for record in caplog.records if "httpx" not in record.name])
    assert [word for word in ("secret", "192.0.2.7", "red wine", desk.page, "jo@") if word in logged] == []


def test_too_many_requests_at_a_time_are_refused_but_probes_are_answered(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(requests_at_once=1)
    meanwhile = []

    async def body() -> AsyncIterator[bytes]:
        async with httpx.AsyncClient(transport=desk.transport, base_url="http://collector") as other:
            meanwhile.append(await other.post("/v1/events", json=SEARCH))
            meanwhile.append(await other.get("/healthz"))
        yield json.dumps(SEARCH).encode()

    first = desk.ask("POST", "/v1/events", content=body(), headers={"X-Api-Key": desk.service})
    busy, alive = meanwhile
    assert (first.status_code, busy.status_code, alive.status_code) == (200, 503, 200)
    assert (busy.json()["error"]["code"], busy.headers["Retry-After"]) == ("busy", "5")
    assert (len(desk.kept()), desk.count(Counter.COLLECTOR_BUSY)) == (1, 1)


def test_a_client_that_takes_too_long_is_refused(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(body_seconds=0.05)
    never = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    answer = desk.ask("POST", "/v1/events", content=body(), headers={"X-Api-Key": desk.service})
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "too_slow")


def test_an_error_nobody_foresaw_is_answered_and_logged_without_the_payload(
    new_desk: Callable[..., Desk], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def track_or_reject(self, event: Any) -> str:
            raise RuntimeError(str(event))

    answer = new_desk(capture=Broken()).post(SEARCH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert answer.headers["X-Request-Id"] == "0" * 32
    assert "RuntimeError" in caplog.text
    assert "red wine" not in caplog.text + answer.text


def test_a_signed_conversation_is_kept_and_a_forged_one_is_not(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(voice_secret=SECRET)
    conversation, another_kind = json.dumps(BODY).encode(), json.dumps(BODY | {"type": "post_call_audio"}).encode()
    answers = [
        desk.ask("POST", "/v1/voice/elevenlabs", content=body, headers={"ElevenLabs-Signature": signature})
        for body, signature in (
            (conversation, header(conversation)),
            (conversation, header(conversation, key="another")),
            (conversation, ""),
            (b"[", header(b"[")),
            (another_kind, header(another_kind)),
        )
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 422, 200]
    assert answers[4].json()["data"]["results"] == [{"status": "ignored"}]
    assert [event["conversation_id"] for event in desk.kept()] == ["conv_1"]
    assert desk.failed() == []
    assert desk.count(Counter.COLLECTOR_UNAUTHORIZED) == 2


def test_an_event_that_consent_forbids_to_keep_is_answered_as_ignored(
    new_desk: Callable[..., Desk], new_rig: Callable[..., Rig]
) -> None:
    desk = new_desk(rig=new_rig(otherwise=False, without_consent=WithoutConsent.DROP))
    answer = desk.post([SEARCH | {"user_id": "u-1"}, SEARCH])
    assert answer.status_code == 200
    assert [each["status"] for each in answer.json()["data"]["results"]] == ["ignored", "kept"]
    assert len(desk.kept()) == 1


def test_without_a_secret_no_conversation_is_taken(desk: Desk) -> None:
    assert desk.ask("POST", "/v1/voice/elevenlabs", content=b"{}").status_code == 404


def test_the_documents_examples_are_kept(desk: Desk) -> None:
    content = document()["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    for kind, described in content.items():
        for example in [each["value"] for each in described.get("examples", {}).values()] or [described["example"]]:
            body = example.encode() if isinstance(example, str) else json.dumps(example).encode()
            assert desk.post(body, Content_Type=kind).status_code == 200
    assert len(desk.kept()) == 6


def test_every_route_is_in_the_document(desk: Desk) -> None:
    app: Any = desk.transport.app
    routes = {route.path: route.methods - {"HEAD"} for route in app.routes}
    documented = {path: {method.upper() for method in methods} for path, methods in document()["paths"].items()}
    assert routes == documented
