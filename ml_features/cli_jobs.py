"""The commands that compute: feature tables, models, training sets."""

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from random import SystemRandom
from typing import TextIO

import click

from shopstream.schemas import SettingsError
from shopstream.schemas.exit_status import ExitStatus

from .catalog import FeatureTable, catalog, feature_table
from .cli_parts import Day, as_json_option, settings_in_force, show

_DAY = Day()


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--as-of", type=_DAY, required=True, help="The day (UTC) up to whose end everything known is used.")
@as_json_option
def run(tables: tuple[str, ...], as_of: datetime, as_json: bool) -> None:
    """Compute TABLES (all when none is named) for one day; running again gives the same.

    Tables by day are computed for the days before it too, so that what came late is in them. Queries are told for
    whole windows: the table `queries` gets rows on the last day of one, and then stays as it is.

    With REDIS_ENABLED=true what readers are served of these tables is published afterwards.

    Example: shopstream-features run --as-of 2026-11-20
    """
    chosen = _named(tables)
    _run([(table, as_of.date(), None) for table in chosen], as_json)
    if settings_in_force().redis_enabled:
        _publish({table.name for table in chosen}, as_of.date(), as_json)


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--as-of", type=_DAY, required=True, help="The day (UTC) the tables were computed for.")
@as_json_option
def publish(tables: tuple[str, ...], as_of: datetime, as_json: bool) -> None:
    """Publish to Redis what readers are served of TABLES (all when none is named); needs REDIS_ENABLED=true.

    Readers go from what was published before to this in one step. An earlier day does not replace a later one.

    Example: shopstream-features publish --as-of 2026-11-20
    """
    if not settings_in_force().redis_enabled:
        raise SettingsError("REDIS_ENABLED is false: readers ask the warehouse, and there is nowhere to publish to")
    _publish({table.name for table in _named(tables)}, as_of.date(), as_json)


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--from", "first", type=_DAY, required=True, help="The first day.")
@click.option("--to", "last", type=_DAY, required=True, help="The last day.")
@as_json_option
def backfill(tables: tuple[str, ...], first: datetime, last: datetime, as_json: bool) -> None:
    """Compute TABLES (all when none is named) for every day from the first to the last.

    Example: shopstream-features backfill --from 2026-10-01 --to 2026-11-20
    """
    if last < first:
        raise SettingsError("--to is a day before --from")
    chosen = _named(tables)
    by_day = [table for table in chosen if table.place.days_per_run > 1]
    days = [first.date() + timedelta(days=day) for day in range((last - first).days + 1)]
    by_as_of = [table for table in chosen if table.place.days_per_run == 1]
    _run(
        [
            # Tables by day take all days at once, and first: those by as_of read them.
            *((table, last.date(), first.date()) for table in by_day),
            *((table, day, None) for day, table in product(days, by_as_of)),
        ],
        as_json,
    )


@click.command()
@click.option("--as-of", type=_DAY, required=True, help="The day (UTC) up to whose end everything known is used.")
@as_json_option
def train(as_of: datetime, as_json: bool) -> None:
    """Train a model of the model tier, judge it beside the one in force, and put it in force unless it is worse.

    Models are kept in MODELS_BUCKET. `shopstream-features run model_reorders` scores with the one in force. Exit
    status 1 where the new model is worse and the old one stays.

    Example: shopstream-features train --as-of 2026-11-20
    """
    from .model_reorders import train as train_model
    from .warehouse import connect

    settings = settings_in_force()
    report = partial(click.echo, err=True)
    learned = train_model(connect(settings), settings, as_of.date(), datetime.now(UTC), report)
    artefact, judged = learned.artefact, learned.judged
    where_from = vars(artefact.provenance).items()
    show(
        {
            "version": artefact.version,
            "promoted": judged.promoted,
            "log_loss": judged.challenger,
            "log_loss_of_the_champion": judged.champion,
            **{name: str(value) if isinstance(value, date) else value for name, value in where_from},
            "metrics": dict(artefact.metrics),
        },
        as_json,
        lambda: [
            f"{artefact.version} {judged}",
            *(f"{name:>28}  {value:,.4f}" for name, value in artefact.metrics.items()),
        ],
    )
    if not judged.promoted:
        sys.exit(ExitStatus.FOUND)


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--as-of", type=_DAY, required=True, help="The partition to be checked.")
@as_json_option
def check(tables: tuple[str, ...], as_of: datetime, as_json: bool) -> None:
    """Check what TABLES (all when none is named) hold for one day; exit status 1 where a check fails.

    Example: shopstream-features check reorders --as-of 2026-11-20
    """
    from .job import check as check_table
    from .warehouse import connect

    settings = settings_in_force()
    client = connect(settings)
    found = [
        (table.name, finding)
        for table in _named(tables)
        for finding in check_table(client, settings, table, as_of.date())
    ]
    show(
        [{"table": name, "verdict": f.verdict, "meaning": f.meaning, "rows": f.rows} for name, f in found],
        as_json,
        lambda: [f"{finding.verdict}  {name}: {finding}" for name, finding in found] or ["every check holds"],
    )
    if any(finding.verdict == "fail" for _, finding in found):
        sys.exit(ExitStatus.FOUND)


@click.command("training-set")
@click.argument("tables", nargs=-1)
@click.option("--as-of", type=_DAY, required=True, multiple=True, help="A date whose features are wanted; repeatable.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="FILE.ndjson or .gz.")
@click.option("--users", type=click.File(), help="Only the users named in this file, one a line.")
@as_json_option
def training_set_command(
    tables: tuple[str, ...], as_of: tuple[datetime, ...], output: Path, users: TextIO | None, as_json: bool
) -> None:
    """Write a training set: TABLES as they were known on each date, joined, and what was bought 7 and 30 days after.

    TABLES are some of reorders, customer_outlooks and profiles, all when none is named; with reorders a row is a user
    and a product, otherwise a user. Who does not allow personalization is left out, a user_id becomes a keyed hash
    with a salt drawn for this set and thrown away, and exact times are left out. With --users nothing is written
    where one of them does not allow it.

    Example: shopstream-features training-set --as-of 2026-10-01 --as-of 2026-10-15 --output october.ndjson.gz
    """
    from .training_set import TRAINING_TABLES, write_training_set
    from .warehouse import connect

    settings = settings_in_force()
    only = [line.strip() for line in users if line.strip()] if users else ()
    chosen = [feature_table(name) for name in tables or TRAINING_TABLES]
    days = sorted({day.date() for day in as_of})
    today, chance = datetime.now(UTC).date(), SystemRandom().randbytes
    done = write_training_set(connect(settings), settings, chosen, days, output, today=today, chance=chance, only=only)
    show(
        {**vars(done), "output": str(output)},
        as_json,
        lambda: [f"{done.rows:,} rows of {done.users:,} users in {output}; {done.left_out:,} users do not allow it"],
    )


def _named(tables: Sequence[str]) -> list[FeatureTable]:
    chosen = {feature_table(name).name for name in tables}
    return [table for name, table in catalog().items() if not chosen or name in chosen]


def _publish(tables: Collection[str], as_of: date, as_json: bool) -> None:
    from shopstream.schemas.serving.views import NIGHTLY

    from .serving.publish import publish_views
    from .warehouse import connect

    settings = settings_in_force()
    views = [view for view in NIGHTLY if view.table.name in tables or not view.dated]
    tell = partial(click.echo, err=True)
    for done in publish_views(connect(settings), settings, views, as_of, partial(datetime.now, UTC), report=tell):
        row = {**vars(done), "as_of": str(done.as_of)}
        line = f"{done.as_of}  {done.view:16} {done.keys:>10,} keys published"
        stays = "" if done.switched else "; a later day is published already, and stays"
        click.echo(json.dumps(row) if as_json else line + stays)


def _run(runs: Iterable[tuple[FeatureTable, date, date | None]], as_json: bool) -> None:
    from .job import run as run_table
    from .warehouse import connect

    settings = settings_in_force()
    client = connect(settings)

    for table, as_of, first_day in runs:
        result = run_table(client, settings, table, as_of, datetime.now(UTC), first_day=first_day)
        warnings = [str(finding) for finding in result.warnings]
        row = {"table": result.table, "as_of": str(result.as_of), "rows": result.rows, "seconds": result.seconds}
        line = f"{result.as_of}  {result.table:16} {result.rows:>10,} rows {result.seconds:>8.2f} s"
        # One line each as it is done: a back-fill takes long.
        click.echo(json.dumps({**row, "warnings": warnings}) if as_json else line)
        for warning in warnings:
            click.echo(f"warn  {result.table}: {warning}", err=True)
