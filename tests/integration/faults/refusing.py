"""A BigQuery that refuses rows: it stands before the emulator, which refuses none, and answers for some rows itself."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

from tests.integration.scripted_bigquery import serving

Refusal = Literal["row", "request"] | None
"""Whether BigQuery refuses this row alone, or any request that holds it with status 400."""
_WHOLE = {"error": {"code": 400, "message": "Invalid JSON payload", "errors": [{"reason": "invalid"}]}}
_FORWARDED = ("Content-Type", "Content-Encoding", "Accept", "Authorization")


@contextmanager
def refusing(server: tuple[str, int], refuse: Callable[[dict[str, Any]], Refusal]) -> Iterator[tuple[str, int]]:
    """The address of one before that server; `refuse` looks at the fields of a row."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.split("?")[0].endswith("/insertAll"):
                self._answer(*self._insert(json.loads(body)))
            else:
                self._answer(*self._ask(body))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - http.server's names

        def _insert(self, request: dict[str, Any]) -> tuple[int, bytes]:
            verdicts = [refuse(row["json"]) for row in request["rows"]]
            if "request" in verdicts:
                return 400, json.dumps(_WHOLE).encode()
            passed = [row for row, verdict in zip(request["rows"], verdicts, strict=True) if verdict is None]
            if passed:
                status, answer = self._ask(json.dumps({**request, "rows": passed}).encode())
                if status != http.client.OK:
                    return status, answer
            error = {"reason": "invalid", "location": "product_id", "message": "refused"}
            errors = [{"index": index, "errors": [error]} for index, verdict in enumerate(verdicts) if verdict == "row"]
            return 200, json.dumps({"insertErrors": errors} if errors else {}).encode()

        def _ask(self, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(*server, timeout=60)
            try:
                headers = {name: self.headers[name] for name in _FORWARDED if name in self.headers}
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        def _answer(self, status: int, text: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as port:
        yield "127.0.0.1", port
