"""A wire between a client and its server that a test can cut, silence and answer on."""

import select
import socket
import threading
import time
from contextlib import suppress
from typing import Literal

Mode = Literal["open", "cut", "silent", "answer", "answer lost", "slow"]
_QUIET_SECONDS = 0.1
_LOST_SECONDS = 0.5


class Wire:
    """Listens on a port of its own, whatever its mode:

    open: passes everything on; cut: refuses connections and breaks those there are; silent: takes connections and
    never answers; answer: answers every request with `answer` itself; answer lost: passes requests on and breaks the
    connection where their answer would come; slow: passes answers on after `delay_seconds`.
    """

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        """Where it leads to; new connections go where it says then."""
        self._mode: Mode = "open"
        self.answer = b""
        self.delay_seconds = 0.0
        self.holds_back = threading.Event()
        """Set when an answer is slow for the first time."""
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.port = 0
        self._listener = self._listen()

    def set(self, mode: Mode, answer: bytes = b"", delay_seconds: float = 0.0) -> None:
        """From now on; but for a lost or slow answer, connections made before are broken."""
        self._mode, self.answer, self.delay_seconds = mode, answer, delay_seconds
        if mode not in {"answer lost", "slow"}:
            self._break_all()
        if mode == "cut":
            _close(self._listener)
        elif self._listener.fileno() < 0:
            self._listener = self._listen()

    def close(self) -> None:
        self._mode = "cut"
        _close(self._listener)
        self._break_all()

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = int(listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._keep(client)
        if self._mode == "silent":
            return
        if self._mode == "answer":
            with suppress(OSError):
                self._answer(client)
            return
        try:
            server = socket.create_connection(self.server)
        except OSError:
            _close(client)
        else:
            self._keep(server)
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            self._pass_on(server, client, True)

    def _answer(self, client: socket.socket) -> None:
        while client.recv(65536):
            while select.select([client], [], [], _QUIET_SECONDS)[0] and client.recv(65536):
                pass
            client.sendall(self.answer)

    def _pass_on(self, source: socket.socket, goal: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self._mode == "answer lost":
                    _swallow(source)
                    break
                if answers and self._mode == "slow":
                    self.holds_back.set()
                    time.sleep(self.delay_seconds)
                goal.sendall(data)
        _close(source)
        _close(goal)

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.append(one)

    def _break_all(self) -> None:
        with self._lock:
            broken, self._sockets = self._sockets, []
        for one in broken:
            _close(one)


def _swallow(source: socket.socket) -> None:
    """Servers speak of flow before they have done what they were asked; they get the time to do it."""
    while select.select([source], [], [], _LOST_SECONDS)[0] and source.recv(65536):
        pass


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        one.close()


def http_answer(status: int, body: bytes = b"{}") -> bytes:
    """The bytes of an HTTP answer after which the connection ends."""
    head = b"HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def free_port() -> int:
    """A port nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def await_port(port: int, seconds: float = 60.0) -> None:
    """Return once somebody listens there.

    Raises:
        OSError: Nobody did in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
