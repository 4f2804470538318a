"""What Prometheus is told: how many requests, how they ended, how long they took, and where answers were from."""

from collections.abc import Iterable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from shopstream.schemas.http.front_desk import Ended
from shopstream.schemas.serving.views import Item, View

from ..serving.answer import Answer
from .table_writer import TableWriter

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_UNKNOWN = "(unknown)"
"""The route of a path that is none."""


class Metrics:
    """The figures of one process."""

    def __init__(self, writers: Iterable[TableWriter]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "shopstream_api_requests", "Requests by route and status.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "shopstream_api_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._answers = Counter(
            "shopstream_api_answers",
            "Reads by view and where they were from; stale where only memory answered.",
            ("view", "source", "stale"),
            registry=self._registry,
        )
        waiting = Gauge(
            "shopstream_api_rows_waiting", "Rows not in their table yet.", ("table",), registry=self._registry
        )
        logged = Gauge(
            "shopstream_api_rows_logged",
            "Rows that went to the log instead of their table. Alert when above 0.",
            ("table",),
            registry=self._registry,
        )
        for writer in writers:
            waiting.labels(str(writer.table)).set_function(partial(getattr, writer, "waiting"))
            logged.labels(str(writer.table)).set_function(partial(getattr, writer, "logged"))
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._of_views: dict[tuple[str, str, bool], Counter] = {}

    def ended(self, request: Ended) -> None:
        """Count a request."""
        route = request.route or _UNKNOWN
        known = self._children.get((route, request.status))
        if known is None:
            known = self._requests.labels(route, str(request.status)), self._seconds.labels(route)
            self._children[route, request.status] = known
        requests, seconds = known
        requests.inc()
        seconds.observe(request.seconds)

    def heard(self, view: View, answer: Answer[Item]) -> Answer[Item]:
        """Count a read, and give it on."""
        labels = (view.name, answer.source, answer.stale)
        child = self._of_views.get(labels)
        if child is None:
            child = self._of_views[labels] = self._answers.labels(view.name, answer.source, str(answer.stale).lower())
        child.inc()
        return answer

    def page(self) -> bytes:
        """What a scrape is given, in Prometheus' text format."""
        return generate_latest(self._registry)
