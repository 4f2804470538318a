"""A BigQuery that answers as told: over the wire, for the emulator refuses nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any]]
ACCEPTED: Answer = (200, {})


@dataclass
class ScriptedBigQuery:
    """Keeps the requests it was sent and answers by a function of each."""

    answer: Callable[[dict[str, Any]], Answer] = lambda _: ACCEPTED
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    address: str = ""

    def ids(self) -> list[list[str]]:
        """The insertIds of each request."""
        return [[row["insertId"] for row in request["rows"]] for request in self.requests]


@contextmanager
def scripted_bigquery() -> Iterator[ScriptedBigQuery]:
    """One that listens on loopback."""
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

    with serving(Handler) as port:
        script.address = f"http://127.0.0.1:{port}"
        yield script


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port of an HTTP server on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True  # A client may keep its connection for longer than the server is there.
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
