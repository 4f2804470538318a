"""The command `shopstream-features`: parses, calls one function, prints its answer."""

import sys

import click

from shopstream.schemas import SettingsError, Unavailable
from shopstream.schemas.environment import shown
from shopstream.schemas.exit_status import ExitStatus

from .cli_api import audit, key, serve
from .cli_experiments import experiment
from .cli_jobs import backfill, check, publish, run, train, training_set_command
from .cli_parts import as_json_option, settings_in_force, show
from .cli_users import decision, insight, profile, recommend, reorders, session


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shopstream")
def cli() -> None:
    """Compute feature tables from purchases, searches and clicks, and read them.

    Where BigQuery is follows from the environment: GOOGLE_CLOUD_PROJECT, BIGQUERY_DATASET and, for a local
    emulator, BIGQUERY_EMULATOR_HOST. `shopstream-features doctor` shows every setting.
    """


@cli.command()
@as_json_option
def doctor(as_json: bool) -> None:
    """Show every setting in force and the latest date of each feature table; exit status 1 where one is missing.

    Example: shopstream-features doctor
    """
    from .doctor import findings
    from .warehouse import connect

    settings = settings_in_force()
    found = findings(connect(settings), settings)
    show(
        {"settings": shown(settings), "findings": found},
        as_json,
        lambda: [
            *(f"{name}={value}" for name, value in shown(settings).items()),
            *(f"{name}: {state}" for name, state in found.items()),
        ],
    )
    if any(not state.startswith("ok") for state in found.values()):
        sys.exit(ExitStatus.FOUND)


for command in (
    run,
    publish,
    backfill,
    train,
    check,
    training_set_command,
    profile,
    reorders,
    session,
    recommend,
    decision,
    insight,
    experiment,
    serve,
    audit,
    key,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: an error people can act on is one sentence and an exit status, never a traceback."""
    from .job import CheckFailed
    from .model_store import Overtaken
    from .warehouse import Refused

    try:
        cli(prog_name="shopstream-features")
    except SettingsError as error:
        click.echo(f"shopstream-features: {error}", err=True)
        sys.exit(ExitStatus.SETTINGS)
    except Unavailable as error:
        click.echo(f"shopstream-features: {error}", err=True)
        sys.exit(ExitStatus.UNAVAILABLE)
    except (CheckFailed, Overtaken, Refused) as error:
        click.echo(f"shopstream-features: {error}", err=True)
        sys.exit(ExitStatus.FOUND)
