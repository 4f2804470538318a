"""`shopstream-pipeline alerts`: look at the rules of alerts, and tell people."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from shopstream.schemas import SettingsError
from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.logs import log_json

from .cli_parts import repeat, settings_in_force, show
from .clock import utc_now
from .warehouse import connect

if TYPE_CHECKING:
    from .alerts.watch import Look


@click.group()
def alerts() -> None:
    """Look at prices, ranks, segments and quality, and tell a topic and a webhook what people should hear of."""


@alerts.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def check_command(as_json: bool) -> None:
    """Look once; exit status 75 where a channel did not take a message.

    Example: ALERT_TOPIC=shopstream-alerts shopstream-pipeline alerts check
    """
    from .alerts.rules import read_rules
    from .alerts.tell import channels_of
    from .alerts.watch import look

    settings = settings_in_force()
    rules = read_rules(settings.alert_rules_file)
    with channels_of(settings) as channels:
        found = look(connect(settings), settings, rules, channels, utc_now())
        show(vars(found), as_json, lambda: _lines(found, len(channels)))
    if found.untold:
        sys.exit(ExitStatus.UNAVAILABLE)


@alerts.command("watch")
@click.option("--every", default=30, show_default=True, type=click.IntRange(1, 3600), help="Seconds between two looks.")
def watch_command(every: int) -> None:
    """Look again and again until SIGINT or SIGTERM; while BigQuery is away it says so and tries again.

    Example: ALERT_WEBHOOK_URL=https://example.com/hook shopstream-pipeline alerts watch --every 60
    """
    from .alerts.rules import read_rules
    from .alerts.tell import channels_of
    from .alerts.watch import look

    settings = settings_in_force()
    rules = read_rules(settings.alert_rules_file)
    log_json()
    client = connect(settings)
    with channels_of(settings) as channels:
        if not channels:
            raise SettingsError("neither ALERT_TOPIC nor ALERT_WEBHOOK_URL is set: nobody would be told")
        click.echo(f"looks at {len(rules.rules)} rules every {every} s and tells {', '.join(channels)}", err=True)
        repeat(lambda: _report(look(client, settings, rules, channels, utc_now())), timedelta(seconds=every))


def _report(found: "Look") -> None:
    if found.opened or found.ended or found.told or found.untold:
        click.echo(", ".join(_lines(found, None)), err=True)


def _lines(found: "Look", channels: int | None) -> list[str]:
    lines = [f"{found.opened:,} opened", f"{found.ended:,} ended", f"{found.told:,} messages told"]
    if found.untold:
        lines.append(f"{found.untold:,} messages not taken; the next look tries again")
    if found.waiting:
        lines.append(f"{found.waiting:,} alerts wait: quiet hours, or enough was told")
    if channels == 0:
        lines.append("nobody is told: neither ALERT_TOPIC nor ALERT_WEBHOOK_URL is set")
    return lines
