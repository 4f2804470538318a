"""What the commands of `shopstream-features` have in common."""

import json
import os
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

import click

from shopstream.schemas import read_settings

from .clock import SYSTEM_CLOCK
from .settings import FeatureSettings

WORDS = {"today": 0, "yesterday": 1}
"""Days that may be named by a word, with how many days ago they are."""


class Day(click.DateTime):
    """A day (UTC) such as 2026-11-20, or a word for one, so that a scheduler's command need not count."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        """The midnight the day begins with."""
        if value in WORDS:
            return datetime.combine(SYSTEM_CLOCK.now() - timedelta(days=WORDS[value]), time())
        found: datetime = super().convert(value, param, ctx)
        return found

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As --help shows it."""
        del param, ctx
        return f"[%Y-%m-%d|{'|'.join(WORDS)}]"


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


def settings_in_force() -> FeatureSettings:
    """The settings of the environment.

    Raises:
        SettingsError: One is wrong.
    """
    return read_settings(FeatureSettings, os.environ)


def show(value: object, as_json: bool, lines: Callable[[], list[str]]) -> None:
    """The value as JSON, or the lines people read."""
    click.echo(json.dumps(value) if as_json else "\n".join(lines()))
