"""What the commands share."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import click

from shopstream.schemas import Unavailable, read_settings

from .options import PipelineSettings


def settings_in_force() -> PipelineSettings:
    """The settings of the environment.

    Raises:
        SettingsError: One is missing, misspelt or wrong.
    """
    return read_settings(PipelineSettings, os.environ)


def repeat(
    once: Callable[[], None],
    pause: timedelta,
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Do something again and again, so long after it began, until SIGTERM, which ends the process with 0.

    What passes with time is told, and tried again.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        began = monotonic()
        try:
            once()
        except Unavailable as error:
            click.echo(f"{error}; trying again", err=True)
        sleep(max(0.0, pause.total_seconds() - (monotonic() - began)))


def show(value: object, as_json: bool, lines: Callable[[], Sequence[str]]) -> None:
    """Print the value for a program, or its lines for people."""
    click.echo(json.dumps(value, default=plain) if as_json else "\n".join(lines()))


def plain(value: object) -> str:
    """A value that JSON has no form for, as text."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
