"""shopstream-capture: look after the spool from a shell. Parses, calls one function, prints what it returns."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import BinaryIO

import click

from shopstream.schemas import CloudSettings, SettingsError, Unavailable, read_settings
from shopstream.schemas.environment import shown
from shopstream.schemas.exit_status import ExitStatus

from . import open_capture
from .backends import backends_on
from .collector.api_keys import new_key
from .collector.settings import CollectorSettings
from .counters import Counter, Counts
from .inspection import Check, SpoolStatus, check_everything, spool_status
from .settings import CaptureSettings

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
seconds_option = click.option(
    "--seconds", type=click.FloatRange(min=0), help="Wait so long at most; default CAPTURE_DRAIN_SECONDS."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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
    makers = backends_on(settings, os.environ)
    variables = shown(settings) | (shown(read_settings(CloudSettings, os.environ)) if makers else {})
    variables |= shown(read_settings(CollectorSettings, os.environ))
    checks = check_everything(settings, makers)
    _print(
        as_json,
        {"settings": variables, "checks": [vars(check) for check in checks]},
        [*(f"{name}={value}" for name, value in sorted(variables.items())), "", *map(_check_line, checks)],
    )
    return 0 if all(check.ok for check in checks) else ExitStatus.UNAVAILABLE


@cli.command()
@as_json_option
def status(*, as_json: bool) -> int:
    """Print what waits in the spool, by writer and backend. Changes nothing and talks to no server.

    For example:

        shopstream-capture status
    """
    settings = read_settings(CaptureSettings, os.environ)
    found = spool_status(Path(settings.spool_directory), tuple(backends_on(settings, os.environ)))
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
    capture = open_capture()
    capture.drain(seconds)
    return _close(capture.close(seconds), capture.counts(), as_json=as_json)


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
        from .collector import logs
        from .collector import serve as collector
    except ImportError as error:
        raise SettingsError(f"{error.name} is not installed: pip install 'shopstream[collector]'") from None
    settings = read_settings(CollectorSettings, os.environ)
    collector.check_settings(settings)
    counts = Counts()
    listening, address = collector.listen(settings)
    capture = open_capture(counts=counts)
    logs.log_json()
    app = collector.collector_app(
        capture,
        counts,
        settings,
        collector.SpoolProbe(read_settings(CaptureSettings, os.environ), time.monotonic),
        now=lambda: datetime.now(UTC),
        clock=time.monotonic,
        random=SystemRandom(),
    )
    _print(as_json, {"address": address}, [f"listening on {address}"])
    collector.serve(app, listening, settings)
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
