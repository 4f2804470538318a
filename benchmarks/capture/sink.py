"""Something to send to: one process that speaks every peer's HTTP and Pub/Sub's gRPC, and notes what it was sent.

A sink that is down is one that does not run: its ports refuse. What is sent is kept as it is and looked through only at
the end, so that the sink takes as little of the machine as can be.
"""

import base64
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote_to_bytes

SLOW_SECONDS = 2.0
_NAME = re.compile(rb"bench-[0-9]{8}")
_BASE64 = re.compile(rb'"ue_px": ?"([A-Za-z0-9_=-]+)"')
_ANSWER = b'{"status": 1, "code": 200, "error": null}'


class Sink:
    """The sink as whoever measures holds it: on two ports of its own, up or down."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._found = directory / "found"
        self._ports = _free_port(), _free_port()
        self._process: subprocess.Popen[str] | None = None
        self.arrived: Counter[str] = Counter()
        """How often each named event came, of what is known since the last time it went down."""

    @property
    def http(self) -> str:
        """The address for HTTP."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def pubsub(self) -> str:
        """The address for Pub/Sub."""
        return f"127.0.0.1:{self._ports[1]}"

    def up(self, *, slow: bool = False) -> "Sink":
        """Take connections."""
        delay = SLOW_SECONDS if slow else 0.0
        command = [
            sys.executable,
            "-m",
            "benchmarks.capture.sink",
            *map(str, self._ports),
            str(delay),
            str(self._found),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self._process.stdout.readline()
        return self

    def down(self) -> "Sink":
        """Refuse connections, and say what came."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None
            found = json.loads(self._found.read_text())
            self.arrived.update(found["names"])
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def names_in(body: bytes) -> list[bytes]:
    """The events named in a body, however it is packed; a name that an SDK repeats within an event counts once."""
    for unfold in (gzip.decompress, zlib.decompress):
        with suppress(OSError, zlib.error):
            body = unfold(body)
    body = unquote_to_bytes(body) + b"".join(base64.urlsafe_b64decode(each + b"==") for each in _BASE64.findall(body))
    found = _NAME.findall(body)
    return [name for place, name in enumerate(found) if place == 0 or found[place - 1] != name]


def _serve_http(port: int, delay: float, bodies: list[bytes]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # Head and body in one segment: the second would wait for an acknowledgement.

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            if delay:
                time.sleep(delay)
            answer = b"" if "protobuf" in self.headers.get("Content-Type", "") else _ANSWER
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST  # noqa: N815 - http.server's own name

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 512
        daemon_threads = True

    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _serve_pubsub(port: int, delay: float, bodies: list[bytes]) -> object:
    import grpc
    from google.pubsub_v1.types import PublishRequest, PublishResponse

    parse, dump = PublishRequest.pb().FromString, PublishResponse.pb().SerializeToString

    def publish(request: object, _: object) -> object:
        messages = request.messages  # type: ignore[attr-defined]
        bodies.extend(message.data for message in messages)
        if delay:
            time.sleep(delay)
        return PublishResponse.pb()(message_ids=["1"] * len(messages))

    handler = grpc.unary_unary_rpc_method_handler(publish, request_deserializer=parse, response_serializer=dump)
    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(ThreadPoolExecutor(64), options=options)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", {"Publish": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server


def main() -> None:
    """Serve until SIGTERM, then write what came."""
    http_port, pubsub_port, delay, found = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
    bodies: list[bytes] = []
    servers = _serve_http(http_port, delay, bodies), _serve_pubsub(pubsub_port, delay, bodies)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sys.stdout.write("up\n")
    sys.stdout.flush()
    stop.wait()
    servers[0].socket.close()
    names = Counter(name.decode() for body in list(bodies) for name in names_in(body))
    found.write_text(json.dumps({"names": names}))
    os._exit(0)  # Whoever still sends is not waited for.


if __name__ == "__main__":
    main()
