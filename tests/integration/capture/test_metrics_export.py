"""A forwarder in a process of its own sends its metrics over OTLP, to a server that really receives them."""

import gzip
import queue
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from .conftest import PATIENCE_SECONDS
from .test_forward import APART, FORWARD, lines_until_done, service_of


@pytest.fixture
def received() -> Iterator[tuple[str, "queue.Queue[dict[str, float]]"]]:
    """An address that takes OTLP, and what came: each counter, over its points."""
    arrived: queue.Queue[dict[str, float]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportMetricsServiceRequest.FromString(body)
            arrived.put(
                {
                    metric.name: sum(
                        point.as_int or point.as_double for point in (metric.sum or metric.gauge).data_points
                    )
                    for resource in request.resource_metrics
                    for scope in resource.scope_metrics
                    for metric in scope.metrics
                }
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", arrived
        server.shutdown()


def test_a_forwarder_exports_what_it_ships(place: Any, received: Any) -> None:
    address, arrived = received
    metrics = {
        "CAPTURE_METRICS_ENABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
    }
    with service_of(place, 500, **APART) as service, place.start(FORWARD, "forward", **metrics) as forwarder:
        lines_until_done(service)
        exported: dict[str, float] = {}
        while exported.get("shopstream.capture.forwarded") != 500:
            exported = arrived.get(timeout=PATIENCE_SECONDS)
        assert exported["shopstream.capture.folders_taken_over"] == 1
        service.kill()
        forwarder.send_signal(signal.SIGTERM)
        _, errors = forwarder.communicate(timeout=60)
    assert forwarder.returncode == 0, errors
