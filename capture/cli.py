"""shopstream-capture: look after the spool from a shell. Parses, calls one function, prints what it returns."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom
from typing import BinaryIO

import click

from shopstream.schemas import SettingsError, Unavailable, read_settings
from shopstream.schemas.environment import shown
from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.logs import log_json

from . import export_metrics, open_capture, utc_now
from .backends import backends_on
from .collector.api_keys import new_key
from .collector.settings import CollectorSettings
from .counters import Counter, Counts
from .erase import Erasing, erase_from_spool
from .health import Health
from .inspection import Check, SpoolStatus, check_everything, spool_status
from .settings import CaptureSettings

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
seconds_option = click.option(
    "--seconds", type=click.FloatRange(min=0), help="Wait so long at most; default CAPTURE_DRAIN_SECONDS."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shopstream")
def cli() -> None:
    """Capture events of a shop's search service, and look after those that wait on disk.

    Settings come from the environment; `doctor` prints them. For example:

        CAPTURE_SPOOL_DIRECTORY=/var/spool/shopstream shopstream-capture status
    """


@cli.command()
@as_json_option
def doctor(*, as_json: bool) -> int:
    """Print the settings in force, secrets masked, and try everything capture needs.

    Ends with 75 where something cannot be reached. For example:

        shopstream-capture doctor --json
    """
    settings = read_settings(CaptureSettings, os.environ)
    backends = backends_on(settings, os.environ, now=utc_now)
    variables = shown(settings) | shown(read_settings(CollectorSettings, os.environ))
    for backend in backends.values():
        for shared in backend.settings:
            variables |= shown(shared)
    checks = check_everything(settings, backends)
    _print(
        as_json,
        {"settings": variables, "checks": [vars(check) for check in checks]},
        [*(f"{name}={value}" for name, value in sorted(variables.items())), "", *map(_check_line, checks)],
    )
    return 0 if all(check.ok for check in checks) else ExitStatus.UNAVAILABLE


@cli.command()
@click.argument("user")
@as_json_option
def erase(*, user: str, as_json: bool) -> int:
    """Take USER out of the spool and of what backends keep on this host or in Redis; `-` reads USER from stdin.

    The rest is done by `shopstream-pipeline privacy erase`, which calls this where CAPTURE_SPOOL_DIRECTORY is set. Ends
    with 1 where something is left. For example:

        shopstream-capture erase u-4711
    """
    user_id = sys.stdin.read().removesuffix("\n") if user == "-" else user
    settings = read_settings(CaptureSettings, os.environ)
    path = Path(settings.spool_directory)
    erased = {f"spool {path}": erase_from_spool(path, user_id)}
    for name, make in backends_on(settings, os.environ, now=utc_now).items():
        backend = make()
        try:
            if isinstance(backend, Erasing):
                erased[f"backend {name}"] = backend.erase(user_id)
        finally:
            backend.close()
    _print(
        as_json,
        {place: {"found": found, "left": left} for place, (found, left) in erased.items()},
        [f"{found:>10,} found {left:>8,} left  {place}" for place, (found, left) in erased.items()],
    )
    return ExitStatus.FOUND if any(left for _, left in erased.values()) else 0


@cli.command()
@as_json_option
def status(*, as_json: bool) -> int:
    """Print what waits in the spool, by writer and backend. Changes nothing and talks to no server.

    For example:

        shopstream-capture status
    """
    settings = read_settings(CaptureSettings, os.environ)
    found = spool_status(Path(settings.spool_directory), tuple(backends_on(settings, os.environ, now=utc_now)))
    _print(as_json, found.as_json(), _status_lines(found))
    return 0


@cli.command()
@seconds_option
@as_json_option
def drain(*, seconds: float | None, as_json: bool) -> int:
    """Ship what dead processes left in the spool.

    Ends with 75 where something is left. For example:

        shopstream-capture drain --seconds 60
    """
    capture = open_capture(_forwarding())
    capture.drain(seconds)
    return _close(capture.close(seconds), capture.counts(), as_json=as_json)


@cli.command()
@click.option(
    "--every",
    type=click.FloatRange(min=0.05),
    default=10.0,
    show_default=True,
    help="Print the state each time so many seconds have passed.",
)
@seconds_option
@as_json_option
def forward(*, every: float, seconds: float | None, as_json: bool) -> int:
    """Ship the spool of services that set CAPTURE_FORWARD_IN_PROCESS=false, until SIGTERM or SIGINT.

    Then drains; ends with 75 where something is left. Several may run at once: each folder is shipped by one of
    them. For example:

        shopstream-capture forward --json
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log_json()
    environ = _forwarding()
    settings = read_settings(CaptureSettings, environ)
    if not backends_on(settings, environ, now=utc_now):
        raise SettingsError("no backend is on, so there is nowhere to forward to: set CAPTURE_PUBSUB_ENABLED=true")
    export_metrics(settings)
    capture = open_capture(environ)
    while True:
        health = capture.health()
        _print(as_json, {"health": asdict(health), "counts": capture.counts()}, _health_lines(health))
        if stop.wait(every):
            break
    left = capture.close(seconds)
    _print(as_json, {"counts": capture.counts(), "bytes_left": left}, [f"{left:,} bytes left in the spool"])
    return ExitStatus.UNAVAILABLE if left else 0


@cli.command()
@click.argument("file", type=click.File("rb"))
@seconds_option
@as_json_option
def track(*, file: BinaryIO, seconds: float | None, as_json: bool) -> int:
    """Track every line of FILE, each the JSON of one event; - is standard input.

    Ends with 1 where a line became a failed event, with 75 where some could not be shipped yet. For example:

        shopstream-capture track events.ndjson
    """
    capture = open_capture()
    for _ in capture.track_lines(file):
        pass
    return _close(capture.close(seconds), capture.counts(), as_json=as_json)


@cli.command()
@as_json_option
def serve(*, as_json: bool) -> int:
    """Take events over HTTP, from browsers and from services in other languages, until SIGTERM or SIGINT.

    Prints its address when it takes connections, then logs one JSON line a request on standard error. Ends with 75
    where something could not be shipped yet. For example:

        CAPTURE_COLLECTOR_KEYS="$(shopstream-capture key web --publishable)" shopstream-capture serve
    """
    try:
        from shopstream.schemas.http import server

        from .collector import serve as collector
    except ImportError as error:
        raise SettingsError(f"{error.name} is not installed: pip install 'shopstream[collector]'") from None
    settings, capture_settings = (
        read_settings(CollectorSettings, os.environ),
        read_settings(CaptureSettings, os.environ),
    )
    collector.check_settings(settings)
    export_metrics(capture_settings)
    counts = Counts()
    listening, address = server.listen(settings.place)
    capture = open_capture(counts=counts)
    log_json()
    app = collector.collector_app(
        capture,
        counts,
        settings,
        collector.SpoolProbe(capture_settings, time.monotonic),
        voice_secret=capture_settings.elevenlabs_secret,
        now=utc_now,
        clock=time.monotonic,
        random=SystemRandom(),
    )
    _print(as_json, {"address": address}, [f"listening on {address}"])
    server.serve(app, listening, idle_seconds=settings.idle_seconds, stop_seconds=settings.stop_seconds)
    code = _close(capture.close(), capture.counts(), as_json=as_json)
    # What clients sent wrong is theirs to know, and was answered.
    return 0 if code == ExitStatus.FOUND else code


@cli.command()
@click.argument("name")
@click.option("--publishable", is_flag=True, help="For a web page, where everybody can read it.")
@click.option("--types", help="What it may send, such as search,order; default all, or search,interaction in a page.")
@as_json_option
def key(*, name: str, publishable: bool, types: str | None, as_json: bool) -> int:
    """Make a key for the collector; NAME becomes the source of what is sent with it.

    The key is on standard error, shown this once and kept nowhere; its line for CAPTURE_COLLECTOR_KEYS is on standard
    output. For example:

        shopstream-capture key order-service --types order >> keys
    """
    text, made = new_key(name, types.split(",") if types else (), publishable=publishable, random=SystemRandom())
    if as_json:
        click.echo(json.dumps({"key": text, "line": made.line()}))
    else:
        click.echo(text, err=True)
        click.echo(made.line())
    return 0


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command; what went wrong is said in one line on standard error."""
    try:
        code = cli.main(args=list(arguments), prog_name="shopstream-capture", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return ExitStatus.STOPPED
    except SettingsError as error:
        click.echo(str(error), err=True)
        return ExitStatus.SETTINGS
    except Unavailable as error:
        click.echo(str(error), err=True)
        return ExitStatus.UNAVAILABLE
    return code if isinstance(code, int) else 0


def main() -> None:
    """The command shopstream-capture."""
    sys.exit(run(sys.argv[1:]))


def _forwarding() -> dict[str, str]:
    """The environment of a command that is there to forward, whatever the services do."""
    return os.environ | {"CAPTURE_FORWARD_IN_PROCESS": "true"}


def _close(left: int, counts: Mapping[str, int], *, as_json: bool) -> int:
    happened = {name: value for name, value in counts.items() if value}
    _print(
        as_json,
        {"counts": counts, "bytes_left": left},
        [*(f"{value:>12,}  {name}" for name, value in happened.items()), f"{left:>12,}  bytes left in the spool"],
    )
    if left or counts[Counter.REFUSED_FULL] or counts[Counter.REFUSED_DISK]:
        return ExitStatus.UNAVAILABLE
    failed = (Counter.FAILED, Counter.DAMAGED_LINES, Counter.BACKEND_REFUSED, Counter.CRASHED)
    return ExitStatus.FOUND if any(counts[counter] for counter in failed) else 0


def _print(as_json: bool, value: Mapping[str, object], lines: Sequence[str]) -> None:
    click.echo(json.dumps(value) if as_json else "\n".join(lines))


def _check_line(check: Check) -> str:
    return f"{'ok    ' if check.ok else 'FAILED'}  {check.name}: {check.detail}"


def _health_lines(health: Health) -> list[str]:
    return [
        f"{health.spooled_bytes:,} bytes spooled, room for {health.room_bytes:,}",
        *(
            f"  {each.backend}: {each.lag_events:,} events, {each.lag_bytes:,} bytes, {each.lag_seconds:.1f} s behind, "
            f"breaker {each.breaker}{', ' + each.last_error if each.last_error else ''}"
            for each in health.backends
        ),
    ]


def _status_lines(found: SpoolStatus) -> list[str]:
    lines = [f"{found.directory}: {found.size:,} bytes"]
    for writer in found.writers:
        state = "alive" if writer.alive else "dead"
        lines.append(f"  {writer.writer_id}  {state}, {writer.segments} segments, {writer.size:,} bytes")
        lines += [
            f"    {backend}: {left.events:,} events, {left.size:,} bytes not acknowledged"
            for backend, left in writer.left.items()
        ]
    return lines
