"""The example of the documents: its app called directly, and as uvicorn with two workers that is told to stop."""

import asyncio
import importlib.util
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

EXAMPLES = Path(__file__).parents[3] / "docs/examples"
SECRET = "wsec_try_me"  # noqa: S105 - the one of the README
WORKERS = 2


@pytest.fixture
def app(place: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CAPTURE_STRICT", "true")
    monkeypatch.setenv("CAPTURE_ELEVENLABS_SECRET", SECRET)
    spec = importlib.util.spec_from_file_location("search_service", EXAMPLES / "search_service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # FastAPI looks the names of annotations up in the module they stand in.
    monkeypatch.setitem(sys.modules, "search_service", module)
    spec.loader.exec_module(module)
    return module.app


@asynccontextmanager
async def opened(app: Any, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://shop", **more) as client,
    ):
        yield client


def test_a_visit_is_captured_from_the_search_to_the_order(app: Any, place: Any) -> None:
    async def visit() -> str:
        headers = {"x-user-id": "u-42"}
        async with opened(app, cookies={"sid": "s-1", "analytics": "yes"}, headers=headers) as client:
            answer = (await client.get("/search", params={"q": "milk", "page": 2})).json()
            query_id = str(answer["query_id"])
            assert [(hit["product_id"], hit["position"]) for hit in answer["hits"]] == [("p-5", 4)]
            body = {"product_id": "p-5", "query_id": query_id, "position": 4}
            assert (await client.post("/click", json=body)).status_code == 204
            bought = await client.post("/orders", json={"products": {"p-5": 2, "p-6": 1}, "query_id": query_id})
            assert bought.status_code == 201
            return query_id

    query_id = asyncio.run(visit())
    place.arrivals.pull(3)
    events = {event["event_type"]: event for event in place.arrivals.events()}
    assert {name: event["query_id"] for name, event in events.items()} == dict.fromkeys(
        ("search", "interaction", "order"), query_id
    )
    assert {(event["user_id"], event["session_id"]) for event in events.values()} == {("u-42", "s-1")}
    assert (events["search"]["channel"], events["order"]["channel"]) == ("web", "web")
    assert (events["search"]["total_results"], events["search"]["page"]) == (4, 2)
    assert events["search"]["results"] == [{"product_id": "p-5", "position": 4}]
    assert events["search"]["latency_ms"] >= 0
    assert events["order"]["total_amount"] == "10.57"


def test_requests_side_by_side_keep_their_visits_apart(app: Any, place: Any) -> None:
    async def one(client: httpx.AsyncClient, number: int) -> tuple[str, str]:
        response = await client.get("/search?q=milk", headers={"cookie": f"sid=s-{number}"})
        return str(response.json()["query_id"]), f"s-{number}"

    async def main() -> list[tuple[str, str]]:
        async with opened(app) as client:
            return await asyncio.gather(*(one(client, number) for number in range(100)))

    answered = asyncio.run(main())
    place.arrivals.pull(100)
    assert sorted((event["query_id"], event["session_id"]) for event in place.arrivals.events()) == sorted(answered)


def test_an_engine_that_fails_is_captured_with_its_error(app: Any, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: str) -> list[str]:
        raise TimeoutError

    monkeypatch.setattr(sys.modules["search_service"], "_find", fails)

    async def main() -> None:
        async with opened(app, cookies={"sid": "s-1"}) as client:
            with pytest.raises(TimeoutError):  # As it would without capture.
                await client.get("/search?q=milk")

    asyncio.run(main())
    place.arrivals.pull(1)
    (event,) = place.arrivals.events()
    assert (event["query"], event["error"], event["session_id"]) == ("milk", "TimeoutError", "s-1")


def test_cookies_and_headers_of_any_kind_break_no_request(app: Any, place: Any) -> None:
    lines = [b"sid=\xff\xfe", b"sid=" + b"x" * 50_000, b";;==;", b"analytics=perhaps; sid=s-1"]

    async def main() -> list[int]:
        async with opened(app) as client:
            return [
                (await client.get("/search?q=milk", headers=[(b"cookie", line), (b"x-user-id", b"\x80")])).status_code
                for line in lines
            ]

    assert asyncio.run(main()) == [200] * 4
    place.arrivals.pull(4)
    assert [event.get("session_id") for event in place.arrivals.events()] == [None, None, None, "s-1"]


@contextmanager
def uvicorn(place: Any, **settings: str) -> Iterator["tuple[subprocess.Popen[str], str]"]:
    """The service as the README starts it, on a free port, once every worker answers; gives its address."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "search_service:app"]
    with subprocess.Popen(
        [*command, "--workers", str(WORKERS), "--port", "0", "--no-access-log", "--no-use-colors"],
        env=place.environment | {"CAPTURE_ELEVENLABS_SECRET": SECRET} | settings,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            address, ready = "", 0
            while ready < WORKERS:
                line = process.stderr.readline()
                assert line, "uvicorn ended while starting"
                found = re.search(r"running on (http://\S+)", line)
                address = found[1] if found else address
                ready += "Application startup complete" in line
            yield process, address
        finally:
            process.terminate()


def search_often(address: str, times: int) -> dict[str, str]:
    """The session of each answered search by its query_id."""

    def one(number: int) -> tuple[str, str]:
        answer = httpx.get(f"{address}/search?q=milk", headers={"cookie": f"sid=s-{number}"}, timeout=30)
        return str(answer.raise_for_status().json()["query_id"]), f"s-{number}"

    with ThreadPoolExecutor(8) as threads:
        return dict(threads.map(one, range(times)))


def test_two_workers_told_to_stop_have_shipped_every_search(place: Any) -> None:
    with uvicorn(place) as (process, address):
        answered = search_often(address, 300)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert len(answered) == 300
    event_ids = place.arrivals.pull(300)
    assert len(event_ids) == len(set(event_ids)) == 300
    assert {event["query_id"]: event["session_id"] for event in place.arrivals.events()} == answered
    assert {event["event_type"] for event in place.arrivals.events()} == {"search"}
    assert list(place.spool.iterdir()) == []


def test_what_pubsub_did_not_take_before_the_stop_is_shipped_by_the_next_start(place: Any) -> None:
    place.arrivals.suffer("unavailable", 10**6)
    with uvicorn(place, CAPTURE_DRAIN_SECONDS="0.2") as (process, address):
        answered = search_often(address, 100)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert list(place.spool.iterdir()) != []
    place.arrivals.suffer("unavailable", 1)
    assert place.command("drain").returncode == 0
    place.arrivals.pull(100)
    assert {event["query_id"]: event["session_id"] for event in place.arrivals.events()} == answered


def test_a_conversation_signed_as_the_readme_says_is_stored_once(place: Any) -> None:
    (script,) = re.findall(r"```sh\n(url=.*?)```", (EXAMPLES / "README.md").read_text(), re.DOTALL)
    script = script.replace("now=$(date +%s)", "now=${NOW:-$(date +%s)}")

    def run(address: str, secret: str, **more: str) -> str:
        told = {"URL": f"{address}/voice/elevenlabs", "CAPTURE_ELEVENLABS_SECRET": secret, **more}
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, env=place.environment | told, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    with uvicorn(place) as (process, address):
        now = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True).stdout.strip()
        assert [run(address, SECRET, NOW=now), run(address, SECRET, NOW=now)] == ["200", "200"]
        assert run(address, "another") == "401"
        assert run(address, SECRET, NOW=str(int(now) - 1900)) == "401"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert len(set(place.arrivals.pull(1))) == 1
    first, second = place.arrivals.events()
    assert first["event_id"] == second["event_id"]
    assert (first["user_id"], first["duration_ms"], len(first["turns"])) == ("u-42", 55_000, 2)
