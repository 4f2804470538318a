"""Both services on one loopback port."""

import socket
from collections.abc import Callable

import grpc

from .broker import Broker
from .live import Live
from .publisher import Publisher
from .subscriber import Subscriber
from .table_writer import TableWriter

LOOPBACK = "127.0.0.1"
_MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""Above Pub/Sub's own limit, so that the refusal is ours and names the field."""


class Server:
    """An empty emulator. `now` gives seconds since 1970; `bigquery` is where BigQuery subscriptions write to."""

    def __init__(self, now: Callable[[], float], bigquery: str | None = None) -> None:
        self._live = Live(Broker(), now)
        self._tables = TableWriter(self._live, bigquery)
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int) -> int:
        """Listen on the port, or on a free one for 0; returns which.

        Raises:
            OSError: The port cannot be had.
        """
        _try_port(port)
        server = grpc.aio.server(
            options=[
                (
                    "grpc.so_reuseport",
                    0,
                ),  # or a second server on the same port would share its calls unnoticed
                ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
                ("grpc.max_send_message_length", -1),
            ]
        )
        services = Publisher(self._live), Subscriber(self._live, self._tables)
        server.add_generic_rpc_handlers([service.handler() for service in services])
        try:
            bound: int = server.add_insecure_port(f"{LOOPBACK}:{port}")
        except RuntimeError as error:
            raise OSError(str(error)) from error
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        """End open calls and close the port."""
        await self._tables.stop()
        self._live.close()
        if self._server:
            await self._server.stop(grace=None)


def _try_port(port: int) -> None:
    """Bind once without gRPC, which would log a page about a port in use."""
    with socket.socket() as probe:
        # A port whose last connections are still closing may be taken, as gRPC does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, port))
