"""Starts the Pub/Sub emulator: `python -m deploy.local.pubsub --port 8085`."""

import asyncio
import json
import signal
import time

import click

from .server import LOOPBACK, Server


class PortTaken(click.ClickException):
    """The port cannot be had; exit status 2."""

    exit_code = 2


@click.command()
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--bigquery", metavar="URL", help="A BigQuery emulator, http://host:port, for subscriptions that write to tables."
)
@click.option("--json", "as_json", is_flag=True, help="Print the address as one line of JSON.")
def main(port: int, bigquery: str | None, as_json: bool) -> None:
    """Serve Pub/Sub on 127.0.0.1, in memory, until SIGTERM or SIGINT.

    Prints one line with the address once calls are answered. For example, in one shell and then in another:

        python -m deploy.local.pubsub --port 8085

        export PUBSUB_EMULATOR_HOST=127.0.0.1:8085
    """
    asyncio.run(_serve(port, bigquery, as_json=as_json))


async def _serve(port: int, bigquery: str | None, *, as_json: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(now=time.time, bigquery=bigquery)
    try:
        bound = await server.start(port)
    except OSError as error:
        raise PortTaken(
            f"port {port} of {LOOPBACK} cannot be had ({error.strerror or error}); "
            "choose another with --port, or --port 0 for a free one."
        ) from None
    address = f"{LOOPBACK}:{bound}"
    line = json.dumps({"address": address, "host": LOOPBACK, "port": bound}) if as_json else f"Ready: {address}"
    click.echo(line)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    main(prog_name="python -m deploy.local.pubsub")
