"""What the commands of `shopstream-features` have in common."""

import json
import os
from collections.abc import Callable

import click

from shopstream.schemas import read_settings

from .settings import FeatureSettings

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
