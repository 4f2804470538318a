"""The commands about experiments: who sees what, what was found, how many users it takes."""

import sys
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shopstream.schemas import SettingsError
from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.experiment import Experiment, assigned, read_experiments

from .cli_parts import as_json_option, settings_in_force, show

if TYPE_CHECKING:
    from .experiments.report import Report
    from .experiments.statistics import Interval

_file_option = click.option(
    "--experiments",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="JSON file with the list of experiments.",
)


@click.group()
def experiment() -> None:
    """Deal users out to variants, and compare what they do."""


@experiment.command()
@click.argument("name")
@click.argument("user")
@_file_option
@as_json_option
def assign(name: str, user: str, file: Path, as_json: bool) -> None:
    """Show which variant of experiment NAME USER sees; exit status 1 for who does not take part.

    Example: shopstream-features experiment assign new-reorders u-4711 --experiments experiments.json
    """
    variant = assigned(_named(file, name), user)
    show({"user_id": user, "variant": variant}, as_json, lambda: [variant or f"{user} does not take part"])
    if variant is None:
        sys.exit(ExitStatus.FOUND)


@experiment.command()
@click.argument("name")
@_file_option
@click.option(
    "--as-of", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day (UTC) up to whose end is told."
)
@as_json_option
def report(name: str, file: Path, as_of: datetime, as_json: bool) -> None:
    """Compare the variants of experiment NAME: orders and reorders within its days after the first exposure.

    The sequential interval holds at every look, so look as often as you like and stop when it leaves out 0; the fixed
    one holds only at a single look that was planned before. Exit status 1 where users were not dealt out as planned:
    then no lift means anything.

    Example: shopstream-features experiment report new-reorders --experiments experiments.json --as-of 2026-11-20
    """
    from .experiments.report import report as report_of
    from .warehouse import connect

    settings = settings_in_force()
    found = report_of(connect(settings), settings, _named(file, name), as_of.date())
    show(_plain(found), as_json, lambda: _lines(found))
    if not found.dealt_out_as_planned:
        sys.exit(ExitStatus.FOUND)


@experiment.command()
@click.option("--baseline", type=float, required=True, help="The control's share, such as 0.1.")
@click.option("--lift", type=float, required=True, help="How much more is to be found, by the baseline; 0.05 is 5 %.")
@click.option("--power", type=click.FloatRange(0.5, 0.999), default=0.8, show_default=True, help="How often.")
@as_json_option
def power(baseline: float, lift: float, power: float, as_json: bool) -> None:
    """Tell how many users of each of two groups it takes to find a lift.

    Example: shopstream-features experiment power --baseline 0.1 --lift 0.05
    """
    from .experiments.statistics import users_needed, users_needed_sequentially

    try:
        once = users_needed(baseline, lift, power=power)
        sequentially = users_needed_sequentially(baseline, lift, power=power)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    show(
        {"users_of_each_looked_at_once": once, "users_of_each_sequentially": sequentially},
        as_json,
        lambda: [
            f"{once:,} users of each group, looked at once when all are there",
            f"{sequentially:,} users of each group at most, looked at as often as you like",
        ],
    )


def _named(file: Path, name: str) -> Experiment:
    every = read_experiments(file)
    if name not in every:
        raise SettingsError(f"{file} has no experiment {name!r}; it has {', '.join(every) or 'none'}")
    return every[name]


def _lines(found: "Report") -> list[str]:
    from .experiments.report import METRICS

    told = []
    for metric, groups in found.groups.items():
        told.append(f"{metric}: {METRICS[metric]} within {found.experiment.outcome_days} days")
        for variant, group in groups.items():
            told.append(f"  {variant:<20} {group.share:>8.2%} of {group.users:,} users")
            if lift := found.lifts[metric].get(variant):
                shown = "a difference is shown" if lift.sequential.excludes_zero else "no difference is shown yet"
                told.append(
                    f"    {lift.difference:+.2%}, sequentially {_percent(lift.sequential)}: {shown}; "
                    f"if this is the one look planned, {_percent(lift.fixed)}"
                )
    told.append(f"{found.waiting:,} users are still waited for; {found.mixed:,} saw several variants and are left out")
    if found.unknown:
        told.append(f"{found.unknown:,} users saw a variant the experiment does not have")
    if not found.dealt_out_as_planned:
        told.append(
            f"users were NOT dealt out as planned (chance {found.sample_ratio_chance:.2g}): "
            "find out where they are lost before you believe a lift"
        )
    return told


def _percent(interval: "Interval") -> str:
    return f"{interval.low:+.2%} to {interval.high:+.2%}"


def _plain(found: "Report") -> dict[str, object]:
    """The report for a program; a bound that nothing is known of is null."""

    def bounds(interval: "Interval") -> list[float | None]:
        return [bound if isfinite(bound) else None for bound in (interval.low, interval.high)]

    def of_variant(metric: str, variant: str) -> dict[str, object]:
        group, lift = found.groups[metric][variant], found.lifts[metric].get(variant)
        told: dict[str, object] = {"users": group.users, "successes": group.successes, "share": group.share}
        if lift is not None:
            told |= {
                "difference": lift.difference,
                "relative": lift.relative,
                "sequential": bounds(lift.sequential),
                "fixed": bounds(lift.fixed),
                "shown": lift.sequential.excludes_zero,
            }
        return told

    return {
        "experiment": found.experiment.name,
        "as_of": str(found.as_of),
        "metrics": {
            metric: {variant: of_variant(metric, variant) for variant in groups}
            for metric, groups in found.groups.items()
        },
        "waiting": found.waiting,
        "mixed": found.mixed,
        "unknown": found.unknown,
        "sample_ratio_chance": found.sample_ratio_chance,
        "dealt_out_as_planned": found.dealt_out_as_planned,
    }
