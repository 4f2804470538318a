"""The commands of the HTTP API: serve it, and make, rotate and revoke its keys."""

import gc
import json
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING, get_args

import click

from shopstream.schemas import SettingsError, read_settings
from shopstream.schemas.lookup import LOOKUPS_EXPIRY_DAYS, ApiRole

from .cli_parts import as_json_option, settings_in_force, show

if TYPE_CHECKING:
    from .api.keys import ApiKey

_file_option = click.option(
    "--file",
    "path",
    required=True,
    envvar="SERVING_API_KEYS_FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of keys; SERVING_API_KEYS_FILE unless given.",
)


@click.command()
@as_json_option
def serve(as_json: bool) -> None:
    """Serve profiles, reorders, recommendations, decisions and products over HTTP until SIGTERM or SIGINT.

    Prints its address when it takes connections. What it answers is in docs/serving.md and at /openapi.json.

    Example: SERVING_API_KEYS="$(shopstream-features key new analyst)" shopstream-features serve
    """
    try:
        from shopstream.schemas.http import server

        from .api.serve import serving_app
    except ImportError as error:
        raise SettingsError(f"{error.name} is not installed: pip install 'shopstream[features,api]'") from None
    from shopstream.schemas.logs import log_json

    from .api.settings import ApiSettings

    settings, api = settings_in_force(), read_settings(ApiSettings, os.environ)
    names = Random(SystemRandom().getrandbits(128))  # noqa: S311 - of requests, which are no secrets
    with serving_app(settings, api, names) as app:
        listening, address = server.listen(api.place)
        log_json()
        gc.collect()
        gc.freeze()  # What is there by now stays; to look through it again and again would make answers late.
        show({"address": address}, as_json, lambda: [f"listening on {address}"])
        server.serve(app, listening, idle_seconds=api.idle_seconds, stop_seconds=api.stop_seconds)


@click.command()
@click.argument("user", required=False)
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, LOOKUPS_EXPIRY_DAYS), help="How far back."
)
@click.option("--most", default=1000, show_default=True, type=click.IntRange(1), help="So many entries at most.")
@as_json_option
def audit(user: str | None, days: int, most: int, as_json: bool) -> None:
    """Show who looked up USER, or anybody, and who asked the pipeline for what: when, with which key, what came of it.

    Example: shopstream-features audit u-4711 --days 7
    """
    from .audit import entries
    from .warehouse import connect

    settings = settings_in_force()
    since = datetime.now(UTC) - timedelta(days=days)
    found = entries(connect(settings), settings, since, user_id=user, most=most)
    show(
        [each.model_dump(mode="json") for each in found],
        as_json,
        lambda: [
            f"{each.happened_at:%Y-%m-%d %H:%M:%S}  {each.key_name:20} {each.role:12} {each.what:12} "
            f"{each.outcome or '':6} {each.detail or ''} {each.reason or ''}".rstrip()
            for each in found
        ],
    )


@click.group()
def key() -> None:
    """Make, list, rotate and revoke keys of the HTTP API; a server sees a change of its file within a second."""


@key.command()
@click.argument("name")
@click.option("--role", type=click.Choice(get_args(ApiRole)), default="read", show_default=True, help="What it may do.")
@click.option("--days", type=click.IntRange(1), help="It ends after so many days; without, never.")
@as_json_option
def new(name: str, role: ApiRole, days: int | None, as_json: bool) -> None:
    """Make a key. It is on standard error, shown this once and kept nowhere; its line is on standard output.

    Example: shopstream-features key new shop-web --role application >> keys
    """
    from .api.keys import new_key

    until = None if days is None else _whole(datetime.now(UTC) + timedelta(days=days))
    text, made = new_key(name, role, until, SystemRandom())
    _tell(text, made, as_json)


@key.command("list")
@_file_option
@as_json_option
def list_(path: Path, as_json: bool) -> None:
    """List the keys of a file: name, role and end.

    Example: shopstream-features key list --file keys
    """
    from .api.keys import read_file

    rows = [
        {"name": each.name, "role": each.role, "until": None if each.until is None else each.until.isoformat()}
        for each in read_file(str(path))
    ]
    show(rows, as_json, lambda: [f"{row['name']:24} {row['role']:12} {row['until'] or 'for ever'}" for row in rows])


@key.command()
@click.argument("name")
@_file_option
@click.option("--grace-hours", default=24, show_default=True, type=click.IntRange(0), help="So long the old one lasts.")
@as_json_option
def rotate(name: str, path: Path, grace_hours: int, as_json: bool) -> None:
    """Give NAME a new key in the file; the old one lasts for the hours of grace.

    Example: shopstream-features key rotate shop-web --file keys --grace-hours 2
    """
    from .api.keys import read_file, rotated

    end = _whole(datetime.now(UTC) + timedelta(hours=grace_hours))
    text, keys = rotated(read_file(str(path)), name, end, SystemRandom())
    _write(path, keys)
    _tell(text, keys[-1], as_json)


@key.command()
@click.argument("name")
@_file_option
@as_json_option
def revoke(name: str, path: Path, as_json: bool) -> None:
    """Take every key of NAME out of the file.

    Example: shopstream-features key revoke shop-web --file keys
    """
    from .api.keys import read_file, revoked

    keys = read_file(str(path))
    left = revoked(keys, name)
    _write(path, left)
    count = len(keys) - len(left)
    show({"name": name, "revoked": count}, as_json, lambda: [f"{count} of {name} revoked"])


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _tell(text: str, made: "ApiKey", as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"key": text, "line": made.line()}))
        return
    click.echo(f"{made.name}: {text}", err=True)
    click.echo(made.line())


def _write(path: Path, keys: Sequence["ApiKey"]) -> None:
    """In one step, so that a server never reads half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write("".join(f"{each.line()}\n" for each in keys))
        file.flush()
        os.fchmod(file.fileno(), path.stat().st_mode)
        os.fsync(file.fileno())
    Path(file.name).replace(path)
