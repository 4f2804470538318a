"""One search, watched from its handler: fills query_id, latency and errors, and is tracked when the handler is done.

    with capture_search(capture, query=q) as search:  # or: async with
        hits = engine.search(q)
        search.results(hit.id for hit in hits)
        search.total_results = hits.total
    return {"query_id": search.query_id, "hits": hits}  # with it, clicks and orders can name their search

or around a whole handler, sync or async:

    @searched(capture, query="q")
    def handler(q: str) -> Answer:
        hits = engine.search(q)
        current_search().results(hit.id for hit in hits)
        return Answer(current_search().query_id, hits)

What the handler raises goes on as it is, and the search is tracked with the exception's class as its `error`. What
it returns is never touched. For a streamed answer open `capture_search` inside the generator, so that latency_ms runs
to its last piece; a reader who leaves early is the error `GeneratorExit`, or `CancelledError` in a coroutine. Searches
may nest: each is an event of its own.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import wraps
from inspect import Parameter, isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, signature
from itertools import islice
from types import TracebackType
from typing import ParamSpec, Protocol, Self, TypeVar, cast

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
"""Seconds that only ever grow."""
_P = ParamSpec("_P")
_R = TypeVar("_R")
_MOST_RESULTS = 1000
"""The contract takes no more; nobody was shown more."""
_LONGEST_WORD = 256
_complained: set[str] = set()
"""What was logged in this process: each sentence once."""
_CURRENT: ContextVar["SearchCall | None"] = ContextVar("shopstream_capture_search", default=None)


class Tracker(Protocol):
    """What a search needs of capture."""

    def track(self, event: Mapping[str, object]) -> str | None:
        """Keep the event and give its event_id."""

    def new_id(self) -> str:
        """A new UUIDv7."""


class SearchCall:
    """A search under way. Set what is known; what stays None is left out of the event."""

    def __init__(
        self, query: str, query_id: str, *, capture: Tracker | None, clock: Clock, envelope: Mapping[str, object]
    ) -> None:
        self._capture, self._clock, self._envelope = capture, clock, envelope
        self._started = 0.0
        self._results: list[dict[str, object]] = []
        self._tokens: list[Token[SearchCall | None]] = []
        self.query = query
        """The text typed; capture scrubs it."""
        self.query_id = query_id
        """Belongs in the answer: interactions and orders that name it are tied to this search."""
        self.total_results: int | None = None
        """How many products matched in all, shown or not."""
        self.page: int | None = None
        """The page of results, from 1."""
        self.sort: str | None = None
        """The order asked for; None for relevance."""
        self.filters: Mapping[str, str] | None = None
        """Narrowings in force: name to chosen value."""
        self.channel: str | None = None
        """Where the shopper was; where None, the channel of the current context."""
        self.error: str | None = None
        """One word for why there was no proper answer, such as `timeout`; an exception of the handler sets it."""
        self.event_id: str | None = None
        """Once the search is done: what it is tracked as; None where it was not kept."""

    def results(self, product_ids: Iterable[str], *, first_position: int = 1) -> None:
        """What is shown, in order; on a later page first_position says where among all results it begins.

        At most 1,000 are taken. They are read at once, so hand over identifiers rather than the iterator you are
        going to return. Where reading them raises, the search keeps those before, and the handler does not notice.
        """
        self._results = []
        try:
            for position, product_id in enumerate(islice(product_ids, _MOST_RESULTS), first_position):
                self._results.append({"product_id": product_id, "position": position})
        except Exception as error:  # noqa: BLE001 - the handler's answer must not depend on what is captured of it
            _complain("the results of a search are captured in part: reading them raised", error)

    def __enter__(self) -> Self:
        self._tokens.append(_CURRENT.set(self))
        self._started = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A generator may be closed by another task than the one that ran it, whose current search never changed.
        with suppress(ValueError):
            _CURRENT.reset(self._tokens.pop())
        if self._capture is None:
            return
        if kind is None:
            self.event_id = self._track(self._capture)
            return
        self.error = self.error or _word(kind)
        # Also where strict mode refuses the event: the handler's own exception is the one to see.
        with suppress(Exception):
            self.event_id = self._track(self._capture)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _track(self, capture: Tracker) -> str | None:
        filters: object = self.filters
        if isinstance(filters, Mapping):
            filters = [{"name": name, "value": value} for name, value in filters.items()]
        told = {
            "total_results": self.total_results,
            "page": self.page,
            "sort": self.sort,
            "filters": filters,  # What is no mapping goes on as it is: the contract refuses it, with its reason.
            "channel": self.channel,
            "error": self.error,
        }
        return capture.track(
            {
                **self._envelope,
                "event_type": "search",
                "query_id": self.query_id,
                "query": self.query,
                "results": self._results,
                "latency_ms": round((self._clock() - self._started) * 1000, 3),
                **{name: value for name, value in told.items() if value is not None},
            }
        )


def capture_search(
    capture: Tracker,
    *,
    query: str,
    query_id: str | None = None,
    page: int | None = None,
    sort: str | None = None,
    filters: Mapping[str, str] | None = None,
    channel: str | None = None,
    clock: Clock = time.perf_counter,
    **envelope: object,
) -> SearchCall:
    """A search to enter with `with` or `async with`; left, it is tracked, whether answered or not.

    Leaving it takes what `Capture.track` takes, some microseconds, in a coroutine too. Without a query_id it gets a
    new one. Ready-made fields of the envelope (user_id, session_id …) go in as further keywords.

    Raises:
        Rejected: On leaving, in capture's strict mode only, where the handler itself did not raise: the event is wrong.
    """
    call = SearchCall(
        query, capture.new_id() if query_id is None else query_id, capture=capture, clock=clock, envelope=envelope
    )
    call.page, call.sort, call.filters, call.channel = page, sort, filters, channel
    return call


def current_search() -> SearchCall:
    """The innermost search under way; outside of any, one that is tracked nowhere and has an empty query_id."""
    return _CURRENT.get() or SearchCall("", "", capture=None, clock=time.perf_counter, envelope={})


def searched(
    capture: Tracker | Callable[[], Tracker], *, query: str = "query", clock: Clock = time.perf_counter
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorates a handler, sync or async: each call is a search, which it reaches by `current_search`.

    Args:
        capture: Where searches are tracked, or a function that tells, for a capture that is opened later.
        query: The name of the handler's parameter that holds the query.
        clock: Measures latency_ms.

    Raises:
        TypeError: On decorating: the handler has no such parameter, or is a generator, which would be left before it
            ran; open `capture_search` inside it.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        name = getattr(function, "__qualname__", type(function).__name__)
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError(f"{name} is a generator: open capture_search inside it instead")
        query_of = _argument(function, query, name)

        def call(args: tuple[object, ...], kwargs: Mapping[str, object]) -> SearchCall:
            tracker = _tracker(capture)
            text = cast("str", query_of(args, kwargs))
            return SearchCall(text, tracker.new_id() if tracker else "", capture=tracker, clock=clock, envelope={})

        if iscoroutinefunction(function):

            @wraps(function)
            async def answer_later(*args: _P.args, **kwargs: _P.kwargs) -> object:
                with call(args, kwargs):
                    return await cast("Awaitable[object]", function(*args, **kwargs))

            return cast("Callable[_P, _R]", answer_later)

        @wraps(function)
        def answer(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with call(args, kwargs):
                return function(*args, **kwargs)

        return answer

    return decorate


def _argument(
    function: Callable[..., object], query: str, name: str
) -> Callable[[tuple[object, ...], Mapping[str, object]], object]:
    """What finds the query among the arguments of a call."""
    parameters = signature(function).parameters
    if query not in parameters:
        raise TypeError(f"{name} has no parameter {query}: searched(capture, query=…) names the one with the query")
    place, otherwise = list(parameters).index(query), parameters[query].default

    def value(args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        if query in kwargs:
            return kwargs[query]
        if place < len(args):
            return args[place]
        return "" if otherwise is Parameter.empty else otherwise  # The handler is about to raise a TypeError.

    return value


def _tracker(capture: Tracker | Callable[[], Tracker]) -> Tracker | None:
    if not callable(capture):
        return capture
    try:
        return capture()
    except Exception as error:  # noqa: BLE001 - no capture is no reason for no answer
        _complain("searches are not captured: there is no capture yet", error)
        return None


def _word(kind: type[BaseException]) -> str:
    """The class of an exception as a word; another library may have made up any name at run time."""
    return kind.__name__[:_LONGEST_WORD] if kind.__name__.isidentifier() else "Exception"


def _complain(problem: str, error: Exception) -> None:
    if problem not in _complained:
        _complained.add(problem)
        logger.warning("%s (%s); said once", problem, type(error).__name__)
