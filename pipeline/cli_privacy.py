"""`shopstream-pipeline privacy`: erase a user everywhere, and give a user everything that is kept."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from shopstream.schemas import SettingsError, Unavailable
from shopstream.schemas.erasure import Erasure
from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.identifiers import Opaque, make_event_id

from .access import everything_about
from .cli_parts import plain, settings_in_force, show
from .clock import utc_now
from .erase import Eraser, buckets
from .options import PipelineSettings
from .personal_rows import personal_tables
from .personal_served import erase_served
from .storage import connect_to_storage
from .warehouse import connect

_CAPTURE = "shopstream-capture"
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def privacy() -> None:
    """Erase a user everywhere, and give a user everything that is kept."""


@privacy.command("erase")
@click.argument("user")
@_as_json
def erase_command(user: str, as_json: bool) -> None:
    """Erase USER from every table, bucket, spool and stream, look again, and certify it; `-` reads USER from stdin.

    From the next minute the job lets no event of USER in. Rows that were streamed in less than 90 minutes ago cannot
    be deleted yet: views hide them, and `privacy run` deletes them later; then the exit status is 1.

    Example: shopstream-pipeline privacy erase u-4711
    """
    settings = settings_in_force()
    eraser = eraser_of(settings)
    eraser.request(_user(user), make_event_id(utc_now(), SystemRandom()), utc_now())
    _tell(eraser.run(utc_now()), as_json)


@privacy.command("run")
@_as_json
def run_command(as_json: bool) -> None:
    """Go on with every request that is not done, and with erased users of whom something came back; once an hour, say.

    Exit status 1 where something is left for later.

    Example: shopstream-pipeline privacy run
    """
    settings = settings_in_force()
    eraser = eraser_of(settings)
    for user in eraser.returned_users():
        eraser.request(user, make_event_id(utc_now(), SystemRandom()), utc_now())
    _tell(eraser.run(utc_now()), as_json)


@privacy.command("list")
@_as_json
def list_command(as_json: bool) -> None:
    """List every request with its certificate: counts only.

    Example: shopstream-pipeline privacy list
    """
    eraser = eraser_of(settings_in_force())
    requests = eraser.requests()
    show([_shown(each) for each in requests], as_json, lambda: [line for each in requests for line in _lines(each)])


@privacy.command("export")
@click.argument("user")
def export_command(user: str) -> None:
    """Print everything that is kept about USER, one JSON object a line with its place; `-` reads USER from stdin.

    Spools and streams of capture are not in it: what they hold is on its way into these tables.

    Example: shopstream-pipeline privacy export u-4711 > u-4711.ndjson
    """
    settings = settings_in_force()
    named = buckets(settings)
    storage = connect_to_storage(settings) if named else None
    tables = personal_tables(settings)
    is_empty = True
    for place, row in everything_about(connect(settings), tables, _user(user), storage, named):
        is_empty = False
        click.echo(json.dumps({"place": place, "row": row}, default=plain))
    if is_empty:
        click.echo("nothing is kept about this user", err=True)


def eraser_of(settings: PipelineSettings) -> Eraser:
    """What erases, by the settings."""
    return Eraser(
        connect(settings),
        settings,
        storage=connect_to_storage(settings) if buckets(settings) else None,
        elsewhere=lambda user_id: _erase_at_capture(user_id) | _erase_served(settings, user_id),
        report=lambda text: click.echo(text, err=True),
    )


def _user(given: str) -> str:
    user = sys.stdin.read().removesuffix("\n") if given == "-" else given
    try:
        checked: str = TypeAdapter(Opaque).validate_python(user)
    except ValidationError:
        raise SettingsError("USER is no user_id: 1 to 256 characters, none of them a control character") from None
    return checked


def _erase_at_capture(user_id: str) -> dict[str, tuple[int, int]]:
    """Let capture's own command take the user out of what is on this host: spool, files, Redis stream."""
    if not os.environ.get("CAPTURE_SPOOL_DIRECTORY"):
        return {}
    beside = Path(sys.executable).parent / _CAPTURE
    command = str(beside) if beside.exists() else shutil.which(_CAPTURE)
    if command is None:
        raise SettingsError(f"CAPTURE_SPOOL_DIRECTORY is set, but {_CAPTURE} is not installed here")
    # By standard input: a command line can be read by everybody on the host.
    done = subprocess.run(  # noqa: S603 - our own command
        [command, "erase", "-", "--json"], input=user_id, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, ExitStatus.FOUND):
        raise Unavailable(f"{_CAPTURE} erase ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return {place: (counts["found"], counts["left"]) for place, counts in json.loads(done.stdout).items()}


def _erase_served(settings: PipelineSettings, user_id: str) -> dict[str, tuple[int, int]]:
    return {"served features": erase_served(settings, user_id, utc_now())} if settings.redis_enabled else {}


def _tell(requests: Sequence[Erasure], as_json: bool) -> None:
    show(
        [_shown(each) for each in requests],
        as_json,
        lambda: [line for each in requests for line in _lines(each)] or ["no request is open"],
    )
    if any(each.done_at is None for each in requests):
        sys.exit(ExitStatus.FOUND)


def _shown(request: Erasure) -> dict[str, Any]:
    # A certificate says nothing of whom it is about, but by the hash.
    return request.model_dump(mode="json", exclude={"user_id", "session_ids"})


def _lines(request: Erasure) -> list[str]:
    state = f"done {request.done_at:%Y-%m-%d %H:%M:%S}" if request.done_at else "open: something is left for later"
    lines = [f"request {request.request_id} of {request.requested_at:%Y-%m-%d %H:%M:%S}, {state}"]
    lines += [
        f"{place.found:>10,} found {place.remaining:>8,} left  {place.place}" for place in request.places if place.found
    ]
    if not any(place.found for place in request.places) and request.done_at:
        lines.append("           nothing of this user was found")
    if request.time_travel_hours is not None:
        lines.append(
            f"           BigQuery keeps deleted rows readable for {request.time_travel_hours} hours, "
            "and for its own repair seven days more"
        )
    return [*lines, f"           tombstone {request.tombstone}"]
