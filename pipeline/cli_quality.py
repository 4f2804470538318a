"""`shopstream-pipeline quality`: is the data good, and what does that mean?"""

import sys

import click

from shopstream.schemas.exit_status import ExitStatus

from .cli_parts import settings_in_force, show
from .clock import utc_now
from .quality import bounds_of, check_quality, result_lines, rules_in_force
from .warehouse import connect


@click.group()
def quality() -> None:
    """Look at the rules of good data."""


@quality.command("check")
@click.argument("rules", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def check_command(rules: tuple[str, ...], as_json: bool) -> None:
    """Look at RULES, all when none is named, and keep the results; every hour, say. Exit status 1 where one is broken.

    Example: shopstream-pipeline quality check
    """
    settings = settings_in_force()
    results = check_quality(connect(settings), settings, rules, utc_now())
    show([result.model_dump(mode="json") for result in results], as_json, lambda: result_lines(results))
    if any(result.verdict == "breach" for result in results):
        sys.exit(ExitStatus.FOUND)


@quality.command("rules")
@click.option("--json", "as_json", is_flag=True, help="Print the rules as JSON.")
def rules_command(as_json: bool) -> None:
    """List every rule with the bounds in force; QUALITY_THRESHOLDS sets others.

    Example: shopstream-pipeline quality rules
    """
    settings = settings_in_force()
    rules = rules_in_force(connect(settings), settings, (), utc_now())
    show(
        [{name: getattr(rule, name) for name in ("name", "meaning", "least", "most", "threshold")} for rule in rules],
        as_json,
        lambda: [f"{rule.name:40} {bounds_of(rule):24} {rule.meaning}" for rule in rules],
    )
