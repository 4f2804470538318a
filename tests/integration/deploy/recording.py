"""Wires that note every request of a command to Google's services, and pass it on to the emulator."""

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import grpc

from tests.integration.scripted_bigquery import serving

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
_SECONDS = 120.0


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    component: str
    method: str
    """Of HTTP the verb, of gRPC the service and its method."""
    path: str
    """Of HTTP the path, of gRPC what the routing header or the message names."""
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass
class Recorder:
    """Whose requests are noted now, and those noted so far."""

    component: str = ""
    requests: list[Request] = field(default_factory=list)

    def note(self, method: str, path: str, query: dict[str, str] | None = None, body: Any = None) -> None:
        self.requests.append(Request(self.component, method, path, query or {}, body))

    @contextmanager
    def http(self, address: str) -> Iterator[str]:
        """An address whose requests are noted and answered by the server at the other."""
        goal = str(urlsplit(address).netloc)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(handler) -> None:  # noqa: N805 - `self` is the recorder
                body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
                parts = urlsplit(handler.path)
                self.note(handler.command, unquote(parts.path), dict(parse_qsl(parts.query)), _document(body))
                headers = {name: value for name, value in handler.headers.items() if name.lower() not in _HOP}
                server = http.client.HTTPConnection(goal, timeout=_SECONDS)
                server.request(handler.command, handler.path, body, headers)
                answer = server.getresponse()
                content = answer.read()
                handler.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOP:
                        # The rest of an upload comes here as well.
                        handler.send_header(name, value.replace(goal, handler.headers["Host"]))
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)
                server.close()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - http.server's names

            def log_message(handler, *_: object) -> None:  # noqa: N805 - as above
                pass

        with serving(Handler) as port:
            yield f"http://127.0.0.1:{port}"

    @contextmanager
    def grpc(self, address: str) -> Iterator[str]:
        """The same of gRPC: whatever the method, its messages pass as the bytes they are."""
        channel = grpc.insecure_channel(address)
        server = grpc.server(ThreadPoolExecutor(32), handlers=[_Relay(self, channel)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()
            channel.close()


class _Relay(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, recorder: Recorder, channel: grpc.Channel) -> None:
        self._recorder, self._channel = recorder, channel

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        call = self._channel.stream_stream(details.method)

        def relay(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            sent = [(name, value) for name, value in context.invocation_metadata() if not name.startswith("grpc-")]
            named = unquote(str(dict(sent).get("x-goog-request-params", ""))).partition("=")[2]
            self._recorder.note(details.method.removeprefix("/"), named)
            metadata = [(name, value) for name, value in sent if name != "user-agent"]
            answers = call(messages, metadata=metadata)
            context.add_callback(answers.cancel)
            try:
                yield from answers
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return grpc.stream_stream_rpc_method_handler(relay)


def _document(body: bytes) -> Any:
    """The JSON of a body; None where it is none, such as a part of an upload."""
    try:
        return json.loads(body)
    except ValueError:
        return None
