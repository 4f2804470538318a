"""A language model on loopback that speaks the HTTP APIs of Claude and of Gemini, and fails as it is told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Literal

Fault = Literal["hang", "drop"]
Answer = str | int | Fault
"""The text of a reply, or an HTTP status, or a fault of the network."""
INPUT_TOKENS, OUTPUT_TOKENS = 900, 200


def insight_of(told: dict[str, Any], **changed: Any) -> str:
    """A reply as a good model writes it, of what it was told."""
    name, figure = next(
        (name, figure) for name, figure in told["figures"].items() if not isinstance(figure["value"], str)
    )
    document = {
        "subject": told["subject"],
        "headline": "Comes often",
        "findings": [{"text": f"The figure is {figure['value']}.", "figures": [name]}],
        "next_step": "Keep the usual products at hand.",
    }
    return json.dumps(document | changed)


@dataclass
class LanguageModel:
    """The server's address, what it was asked, and what it answers."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """What the model was told, each call."""
    paths: list[str] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], Answer] = insight_of
    let_go: Event = field(default_factory=Event)
    """Set, and what hangs goes on."""


@contextmanager
def language_model() -> Iterator[LanguageModel]:
    """A running one."""
    model = LanguageModel()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_gemini = ":generateContent" in self.path
            said = body["contents"][0]["parts"][0]["text"] if is_gemini else body["messages"][0]["content"]
            told = json.loads(said)
            model.asked.append(told)
            model.paths.append(self.path)
            answer = model.answer(told)
            if answer == "hang":
                model.let_go.wait(30)
                self.close_connection = True
            elif answer == "drop":
                self.close_connection = True
            elif isinstance(answer, int):
                self.reply(answer, {"error": {"type": "overloaded_error", "message": "no", "code": answer}})
            else:
                self.reply(200, _gemini(answer) if is_gemini else _claude(answer))

        def reply(self, status: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _claude(text: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "stub",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
    }


def _gemini(text: str) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": INPUT_TOKENS,
            "candidatesTokenCount": OUTPUT_TOKENS,
            "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }
