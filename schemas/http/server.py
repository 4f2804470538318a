"""Listens on a port, and answers until it is told to stop."""

import signal
import socket
from typing import Any

import uvicorn

from ..environment import SettingsError
from .place import Place

_WAITING_CONNECTIONS = 2048


def listen(place: Place) -> tuple[socket.socket, str]:
    """A socket that already takes connections, and its address.

    Raises:
        SettingsError: The host is none of this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        listening = socket.create_server((place.host, place.port), family=family, backlog=_WAITING_CONNECTIONS)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {place.variables}HOST={place.host} {place.variables}PORT={place.port}: "
            f"{error.strerror or error}"
        ) from None
    # Inherited by each connection; asyncio's loop sets it only where the socket names its protocol, uvloop always.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host = f"[{place.host}]" if family == socket.AF_INET6 else place.host
    return listening, f"http://{host}:{listening.getsockname()[1]}"


def serve(app: Any, listening: socket.socket, *, idle_seconds: int, stop_seconds: int) -> None:  # noqa: ANN401 - ASGI
    """Answer until SIGTERM or SIGINT; then take no more, and end what is under way within so many seconds.

    A connection without a request is closed after `idle_seconds`. Slow headers and half-open connections are left to
    the server in front.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=idle_seconds,
            timeout_graceful_shutdown=stop_seconds,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # Uvicorn raises the signal again when it has stopped, which would end the process before its caller has finished.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listening])
