"""The command `shopstream-pipeline`: parses, calls one function, prints its answer."""

import json
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from google.api_core.exceptions import GoogleAPICallError

from shopstream.schemas import SettingsError, Unavailable
from shopstream.schemas.environment import shown
from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.logs import log_json

from .cli_alerts import alerts
from .cli_failed import failed
from .cli_instructions import instructions
from .cli_parts import settings_in_force, show
from .cli_privacy import privacy
from .cli_quality import quality
from .clock import utc_now
from .table_changes import Refused

if TYPE_CHECKING:
    from .tables import Step


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shopstream")
def cli() -> None:
    """Stream events from Pub/Sub into BigQuery tables, and look after those tables.

    Where it runs follows from the environment: on Dataflow with GOOGLE_CLOUD_PROJECT and DATAFLOW_STAGING, here
    with PUBSUB_EMULATOR_HOST and BIGQUERY_EMULATOR_HOST. `shopstream-pipeline doctor` shows every setting.
    """


@cli.command()
@click.option("--setup-file", type=click.Path(exists=True, dir_okay=False), help="setup.py for Dataflow's workers.")
@click.option("--dry-run", is_flag=True, help="Build the job for Dataflow, start nothing.")
def run(setup_file: str | None, dry_run: bool) -> None:
    """Run the streaming job; here until SIGINT or SIGTERM, on Dataflow until it is drained.

    Example: shopstream-pipeline run
    """
    from .jobs import streaming_pipeline

    settings = settings_in_force()
    log_json()
    if dry_run and not settings.on_dataflow:
        raise SettingsError(
            "--dry-run builds for Dataflow: unset PUBSUB_EMULATOR_HOST, BIGQUERY_EMULATOR_HOST and BEAM_JOB_ENDPOINT"
        )
    pipeline = streaming_pipeline(settings, utc_now, setup_file=setup_file, dry_run=dry_run)
    if not settings.on_dataflow:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        click.echo(f"The streaming job reads {settings.pubsub_subscription}; Ctrl-C stops it", err=True)
        try:
            pipeline.run().wait_until_finish()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
        return
    result = pipeline.run()
    if dry_run:
        click.echo(f"The job builds for Dataflow in {settings.dataflow_region}; nothing was started")
    else:
        click.echo(f"Dataflow job {result.job_id()} started in {settings.dataflow_region}")


@cli.command()
@click.argument("pattern")
@click.option("--setup-file", type=click.Path(exists=True, dir_okay=False), help="setup.py for Dataflow's workers.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def backfill(pattern: str, setup_file: str | None, as_json: bool) -> None:
    """Run the same flow once over files of one event a line (plain or .gz, local or gs://).

    Running it again changes nothing that people see: views show each event_id once.

    Example: shopstream-pipeline backfill 'gs://archive/2026-11-*/*.ndjson.gz'
    """
    from .jobs import backfill_pipeline, counts

    settings = settings_in_force()
    log_json()
    result = backfill_pipeline(settings, pattern, utc_now, setup_file=setup_file).run()
    result.wait_until_finish()
    totals = counts(result)
    show(totals, as_json, lambda: [f"{count:>10,}  {name}" for name, count in sorted(totals.items())])


@cli.command()
@click.argument("image")
def template(image: str) -> None:
    """Print the spec of a Dataflow Flex Template whose code is in IMAGE (deploy/containers), as JSON.

    Example: shopstream-pipeline template europe-docker.example/shop/shopstream:1.0 > shopstream.json
    """
    from .flex_template import container_spec

    click.echo(json.dumps(container_spec(image), indent=2))


@cli.group()
def tables() -> None:
    """Make the warehouse as the contract has it: datasets, tables, views."""


@tables.command("plan")
@click.option("--json", "as_json", is_flag=True, help="Print the steps as JSON.")
def tables_plan(as_json: bool) -> None:
    """Show what differs from the contract and what `apply` would do; exit status 1 where something differs.

    Example: shopstream-pipeline tables plan
    """
    from .tables import plan_tables
    from .warehouse import connect

    settings = settings_in_force()
    steps = plan_tables(connect(settings), settings)
    _print_steps(steps, as_json)
    if not all(step.is_as_it_should_be for step in steps):
        sys.exit(ExitStatus.FOUND)


@tables.command("apply")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def tables_apply(as_json: bool) -> None:
    """Make what is missing and change what differs, where nothing is lost by it; otherwise do nothing, and say why.

    Columns are added, relaxed and widened, never deleted. Exit status 1 where something is refused.

    Example: shopstream-pipeline tables apply
    """
    from .tables import apply_tables
    from .warehouse import connect

    settings = settings_in_force()
    _print_steps(apply_tables(connect(settings), settings), as_json)


cli.add_command(alerts)
cli.add_command(failed)
cli.add_command(instructions)
cli.add_command(privacy)
cli.add_command(quality)


@cli.command("close-days")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a day.")
def close_days_command(as_json: bool) -> None:
    """Copy every day before today (UTC) into the stable tables, each event once; once a night, or as often as you like.

    Views show the same before and after, and read less after. A day that got late rows is copied again. Then every
    quality rule is looked at; exit status 1 where one is broken.

    Example: shopstream-pipeline close-days
    """
    from .quality import bounds_of, check_quality
    from .stable import close_days
    from .warehouse import connect

    settings = settings_in_force()
    client = connect(settings)
    closed = close_days(
        client,
        settings,
        utc_now().date(),
        lambda each: click.echo(f"{each.day} {each.event_type}: {each.events:,} events", err=True),
    )
    values = [{**vars(each), "day": each.day.isoformat()} for each in closed]
    show(values, as_json, lambda: [f"{len(closed)} days closed, {sum(each.events for each in closed):,} events"])
    broken = [result for result in check_quality(client, settings, (), utc_now()) if result.verdict == "breach"]
    for result in broken:
        click.echo(f"quality: {result.rule} is {result.value:.4g}, not {bounds_of(result)}", err=True)
    if broken:
        sys.exit(ExitStatus.FOUND)


@cli.command("land")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an event type.")
def land_command(as_json: bool) -> None:
    """Move what Pub/Sub wrote into the landing table to the raw tables; every few minutes, instead of the job.

    Only where events come by a BigQuery subscription (docs/ingest.md). What breaks its contract becomes a failed event.
    Running it twice, or killing it, loses nothing.

    Example: shopstream-pipeline land
    """
    from .land import land
    from .warehouse import connect

    settings = settings_in_force()
    log_json()
    landed = land(connect(settings), settings, utc_now())
    show(
        [vars(each) for each in landed],
        as_json,
        lambda: [
            f"{each.event_type or 'of no type'}: {each.waited:,} rows, {each.stored:,} stored, {each.refused:,} refused"
            for each in landed
        ],
    )


@cli.command()
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 45), help="So many of the last days.")
@click.option("--keep", is_flag=True, help="Keep the estimate in the table `cost_estimates`, for the console.")
@click.option("--json", "as_json", is_flag=True, help="Print the estimate as JSON.")
def cost(days: int, keep: bool, as_json: bool) -> None:
    """Estimate what a month costs at the volumes of the last days, by service and table, from list prices.

    Exit status 1 where that is more than MONTHLY_BUDGET. What people query, and free allowances, are left out.

    Example: shopstream-pipeline cost --days 14
    """
    from dataclasses import asdict

    from .cost import Prices, estimate, estimate_lines, keep_estimate, measure
    from .warehouse import connect

    settings = settings_in_force()
    client, now = connect(settings), utc_now()
    volumes, users = measure(client, settings, now, days)
    found = estimate(volumes, users, settings, days, Prices())
    if keep:
        keep_estimate(client, settings, found, now)
    totals = {"dollars": found.dollars, "variable_dollars": found.variable_dollars, "budget": settings.monthly_budget}
    show({**asdict(found), **totals}, as_json, lambda: estimate_lines(found, settings.monthly_budget))
    if settings.monthly_budget is not None and found.dollars > settings.monthly_budget:
        click.echo(f"cost: {found.dollars:.2f} a month is over the budget of {settings.monthly_budget:.2f}", err=True)
        sys.exit(ExitStatus.FOUND)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> None:
    """Show every setting in force and whether Pub/Sub and BigQuery answer.

    Example: shopstream-pipeline doctor
    """
    from .doctor import findings

    settings = settings_in_force()
    found = findings(settings)
    show(
        {"settings": shown(settings), "findings": found},
        as_json,
        lambda: [
            *(f"{name}={value}" for name, value in shown(settings).items()),
            *(f"{name}: {state}" for name, state in found.items()),
        ],
    )
    if any(state != "ok" for state in found.values()):
        sys.exit(ExitStatus.FOUND)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a writer.")
def balance(as_json: bool) -> None:
    """Compare what capture numbered with what arrived; exit status 1 where something is proven lost.

    A writer that is open may still send; of one that is closed everything must be there: docs/ledger.md.

    Example: shopstream-pipeline balance
    """
    from .balance import as_lines, balance
    from .warehouse import connect

    settings = settings_in_force()
    writers = balance(connect(settings), settings)
    values = [{**vars(writer), "last_at": writer.last_at.isoformat()} for writer in writers]
    show(values, as_json, lambda: as_lines(writers))
    if any(writer.is_lost for writer in writers):
        sys.exit(ExitStatus.FOUND)


def _print_steps(steps: Sequence["Step"], as_json: bool) -> None:
    from .tables import step_lines

    values = [
        {
            "name": step.name,
            "action": step.action,
            "differences": [{"what": each.what, "refused": each.refused} for each in step.differences],
        }
        for step in steps
    ]
    show(values, as_json, lambda: list(step_lines(steps)))


def main() -> None:
    """Entry point: an error people can act on is one sentence and an exit status, never a traceback."""
    try:
        cli(prog_name="shopstream-pipeline")
    except SettingsError as error:
        click.echo(f"shopstream-pipeline: {error}", err=True)
        sys.exit(ExitStatus.SETTINGS)
    except Refused as error:
        click.echo(f"shopstream-pipeline: {error}", err=True)
        sys.exit(ExitStatus.FOUND)
    except (Unavailable, GoogleAPICallError) as error:
        click.echo(f"shopstream-pipeline: {error}", err=True)
        sys.exit(ExitStatus.UNAVAILABLE)
