"""Handlers of every kind under a watched search: what they answer, and what is tracked of them."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from shopstream.capture import capture_search, context, current_search, searched
from shopstream.capture.counters import Counter
from shopstream.schemas import Rejected


def shipped(rig: Any) -> list[dict[str, Any]]:
    rig.ship()
    assert rig.backend.failed() == []
    return list(rig.backend.events())


def ticking(step: float = 0.025) -> Callable[[], float]:
    """A clock that moves by so many seconds each time it is read."""
    ticks = count()
    return lambda: next(ticks) * step


def test_a_search_is_tracked_with_what_the_handler_said(rig: Any) -> None:
    with capture_search(
        rig.capture, query="milk", page=2, sort="price", filters={"brand": "Oatly"}, clock=ticking(), user_id="u"
    ) as search:
        search.results((hit.id for hit in [SimpleNamespace(id="p-1"), SimpleNamespace(id="p-2")]), first_position=11)
        search.total_results = 214
        search.channel = "app"
    (event,) = shipped(rig)
    assert event["event_id"] == search.event_id
    assert event["query_id"] == search.query_id
    assert search.query_id[14] == "7"
    assert event["results"] == [{"product_id": "p-1", "position": 11}, {"product_id": "p-2", "position": 12}]
    assert (event["latency_ms"], event["total_results"], event["user_id"]) == (25.0, 214, "u")
    assert (event["page"], event["sort"], event["channel"]) == (2, "price", "app")
    assert event["filters"] == [{"name": "brand", "value": "Oatly"}]
    assert "error" not in event


def test_a_search_nobody_said_anything_of_is_tracked_too(rig: Any) -> None:
    with context(session_id="s", channel="web"), capture_search(rig.capture, query="milk", query_id="q-1"):
        pass
    (event,) = shipped(rig)
    assert (event["query_id"], event.get("results", []), event["session_id"], event["channel"]) == (
        "q-1",
        [],
        "s",
        "web",
    )


class EngineError(Exception):
    """Made up by the engine."""


@pytest.mark.parametrize(
    "error", [EngineError("milk"), TimeoutError(), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()]
)
def test_what_the_handler_raises_goes_on_as_it_is_and_is_named(rig: Any, error: BaseException) -> None:
    def handler() -> None:
        with capture_search(rig.capture, query="milk") as search:
            search.results(["p-1"])
            raise error

    with pytest.raises(type(error)) as caught:
        handler()
    assert caught.value is error
    (event,) = shipped(rig)
    assert event["error"] == type(error).__name__
    assert [result["product_id"] for result in event["results"]] == ["p-1"]


def test_a_handler_may_name_its_own_trouble(rig: Any) -> None:
    with capture_search(rig.capture, query="milk") as search:
        search.error = "timeout"
    search = capture_search(rig.capture, query="milk")
    search.error = "overloaded"
    with pytest.raises(EngineError), search:
        raise EngineError
    assert [event["error"] for event in shipped(rig)] == ["timeout", "overloaded"]


@pytest.mark.parametrize("name", ["", "two words", "x" * 300, "line\nfeed"])
def test_an_exception_of_any_name_leaves_an_event_that_is_right(rig: Any, name: str) -> None:
    kind = type(name, (Exception,), {})
    with pytest.raises(kind), capture_search(rig.capture, query="milk"):
        raise kind
    assert len(shipped(rig)[0]["error"]) <= 256


def test_results_that_cannot_be_read_cost_the_handler_nothing(rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    hits = [SimpleNamespace(id="p-1"), SimpleNamespace(name="no id")]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with capture_search(rig.capture, query="milk") as search:
                search.results(hit.id for hit in hits)
    assert [len(event["results"]) for event in shipped(rig)] == [1, 1, 1]
    assert len(caplog.records) <= 1


def test_no_more_results_are_read_than_the_contract_takes(rig: Any) -> None:
    endless = (f"p-{number}" for number in count())
    with capture_search(rig.capture, query="milk") as search:
        search.results(endless)
    assert len(shipped(rig)[0]["results"]) == 1000


@pytest.mark.parametrize(
    "wrong",
    [
        {"filters": 7},
        {"filters": {"a": object()}},
        {"total_results": "many"},
        {"page": 0},
        {"channel": "fax"},
        {"query": None},
        {"error": ""},
    ],
    ids=("filters", "filter", "total_results", "page", "channel", "query", "error"),
)
def test_what_the_contract_refuses_becomes_a_failed_event_and_no_exception(rig: Any, wrong: dict[str, Any]) -> None:
    with capture_search(rig.capture, query="milk") as search:
        for name, value in wrong.items():
            setattr(search, name, value)
    assert search.event_id is None
    rig.ship()
    assert len(rig.backend.failed()) == 1
    assert rig.count(Counter.FAILED) == 1


def test_strict_mode_says_what_is_wrong_but_never_instead_of_the_handler(new_rig: Any) -> None:
    capture = new_rig(strict=True).capture
    with pytest.raises(Rejected, match="page"), capture_search(capture, query="milk", page=0):
        pass
    with pytest.raises(EngineError), capture_search(capture, query="milk", page=0):
        raise EngineError


def test_searches_nest(rig: Any) -> None:
    with capture_search(rig.capture, query="milk", query_id="outer") as outer:
        with capture_search(rig.capture, query="oat milk", query_id="inner") as inner:
            assert current_search() is inner
        assert current_search() is outer
    assert [event["query_id"] for event in shipped(rig)] == ["inner", "outer"]


def test_outside_of_any_search_nothing_is_tracked(rig: Any) -> None:
    with current_search() as search:
        search.results(["p"])
    assert (search.query_id, search.event_id) == ("", None)
    assert shipped(rig) == []


def test_a_decorated_handler_answers_as_before_and_is_tracked(rig: Any) -> None:
    @searched(rig.capture, query="q", clock=ticking())
    def handler(shop: str, q: str = "everything", *, page: int = 1) -> dict[str, Any]:
        """Finds."""
        current_search().results(["p-1"])
        current_search().page = page
        return {"shop": shop, "q": q, "query_id": current_search().query_id}

    answers = [handler("x", "milk"), handler("x", page=2), handler("x", q="tea")]
    events = shipped(rig)
    assert [event["query"] for event in events] == ["milk", "everything", "tea"]
    assert [event.get("page") for event in events] == [None, 2, None]
    assert [event["latency_ms"] for event in events] == [25.0] * 3
    assert answers == [{"shop": "x", "q": event["query"], "query_id": event["query_id"]} for event in events]
    assert (handler.__name__, handler.__doc__) == ("handler", "Finds.")
    assert list(inspect.signature(handler).parameters) == ["shop", "q", "page"]


def test_decorated_coroutines_run_side_by_side_with_a_search_each(rig: Any) -> None:
    async def main() -> list[str]:
        meet = asyncio.Barrier(50)

        @searched(lambda: rig.capture)
        async def handler(query: str) -> str:
            await meet.wait()
            current_search().results([query])
            await meet.wait()
            return current_search().query_id

        assert inspect.iscoroutinefunction(handler)
        return await asyncio.gather(*(handler(f"p-{number}") for number in range(50)))

    answers = asyncio.run(main())
    events = {event["query_id"]: event for event in shipped(rig)}
    assert [events[query_id]["query"] for query_id in answers] == [f"p-{number}" for number in range(50)]
    assert all(event["results"][0]["product_id"] == event["query"] for event in events.values())


def test_async_with_is_the_same(rig: Any) -> None:
    async def main() -> None:
        async with capture_search(rig.capture, query="milk") as search:
            search.total_results = 3
        with pytest.raises(TimeoutError):
            async with capture_search(rig.capture, query="milk"):
                raise TimeoutError

    asyncio.run(main())
    assert [(event.get("total_results"), event.get("error")) for event in shipped(rig)] == [
        (3, None),
        (None, "TimeoutError"),
    ]


def test_a_decorated_handler_called_wrongly_raises_what_it_would(rig: Any) -> None:
    @searched(rig.capture)
    def handler(query: str) -> str:
        return query

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        handler()  # type: ignore[call-arg]
    assert shipped(rig)[0]["error"] == "TypeError"


def test_a_capture_that_is_not_open_is_no_reason_for_no_answer() -> None:
    def nowhere() -> Any:
        raise LookupError

    @searched(nowhere)
    def handler(query: str) -> list[str]:
        return [query, current_search().query_id]

    assert handler("milk") == ["milk", ""]


def test_a_handler_that_cannot_be_watched_is_refused_when_it_is_decorated(rig: Any) -> None:
    def streams(query: str) -> Iterator[str]:
        yield query

    async def streams_later(query: str) -> AsyncIterator[str]:
        yield query

    for function in (streams, streams_later):
        with pytest.raises(TypeError, match="open capture_search inside"):
            searched(rig.capture)(function)
    with pytest.raises(TypeError, match="has no parameter q"):
        searched(rig.capture, query="q")(lambda query: query)


def test_a_streamed_answer_is_measured_to_its_last_piece(rig: Any) -> None:
    clock = SimpleNamespace(seconds=0.0)

    def stream() -> Generator[str, None, None]:
        with capture_search(rig.capture, query="milk", clock=lambda: clock.seconds) as search:
            search.results(["p-1", "p-2"])
            yield "p-1"
            yield "p-2"

    for _ in stream():
        clock.seconds += 1
    interrupted = stream()
    next(interrupted)
    interrupted.close()
    assert [(event["latency_ms"], event.get("error")) for event in shipped(rig)] == [
        (2000.0, None),
        (0.0, "GeneratorExit"),
    ]
