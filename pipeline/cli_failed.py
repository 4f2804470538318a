"""`shopstream-pipeline failed`: look at failed events, and send them round again."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from shopstream.schemas import Reason, Stage
from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.logs import log_json

from .cli_parts import settings_in_force, show
from .clock import utc_now
from .failed import FailedFilter, Row, count_failed, count_lines, list_failed
from .warehouse import connect

F = TypeVar("F", bound=Callable[..., Any])
_DAYS_AND_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def _filters(command: F) -> F:
    """The options that choose failed events."""
    for option in (
        click.option("--stage", type=click.Choice([str(stage) for stage in Stage]), help="Where they failed."),
        click.option("--reason", type=click.Choice([str(reason) for reason in Reason]), help="Why."),
        click.option("--field", help="The field at fault, such as items.0.quantity."),
        click.option("--since", type=click.DateTime(_DAYS_AND_MOMENTS), help="Failed then or later (UTC)."),
        click.option("--until", type=click.DateTime(_DAYS_AND_MOMENTS), help="Failed before (UTC)."),
        click.option("--event-id", "event_ids", multiple=True, help="This one; may be repeated."),
        click.option("--with-replayed", is_flag=True, help="Also those that were replayed and stored since."),
    ):
        command = option(command)
    return command


def _filter(given: dict[str, Any]) -> FailedFilter:
    names = FailedFilter.__dataclass_fields__
    values = {name: given[name] for name in names}
    for name in ("since", "until"):
        if isinstance(moment := values[name], datetime):
            values[name] = moment.replace(tzinfo=UTC)
    return FailedFilter(**values)


@click.group()
def failed() -> None:
    """Look at failed events, and send them round again after a fix."""


@failed.command("list")
@_filters
@click.option("--events", is_flag=True, help="List the events, the last to fail first, instead of counting them.")
@click.option("--most", default=100, show_default=True, type=click.IntRange(1), help="Of --events, so many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(events: bool, most: int, as_json: bool, **given: object) -> None:
    """Count failed events by stage, reason and field, or list them; without those that were replayed and stored.

    Example: shopstream-pipeline failed list --stage validate --since 2026-11-20
    """
    settings = settings_in_force()
    client = connect(settings)
    if not events:
        counts = count_failed(client, settings, _filter(given))
        show(counts, as_json, lambda: count_lines(counts))
        return
    found = list_failed(client, settings, _filter(given), most)
    show(found, as_json, lambda: [_line(row) for row in found] or ["no failed event fits"])


def _line(row: Row) -> str:
    return f"{row['event_id']}  {row['failed_at']:%Y-%m-%d %H:%M:%S}  {row['stage']}/{row['reason']}  {row['detail']}"


@failed.command("show")
@click.argument("event_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(event_id: str, as_json: bool) -> None:
    """Everything known of one failed event, with its bytes. They are personal data: few may read them.

    Example: shopstream-pipeline failed show 01a1fe4c-abc0-7ce7-b3ad-3d56ebc80381
    """
    settings = settings_in_force()
    found = list_failed(connect(settings), settings, FailedFilter(event_ids=(event_id,), with_replayed=True), 1)
    if not found:
        click.echo(f"no failed event has the event_id {event_id}", err=True)
        sys.exit(ExitStatus.FOUND)
    (row,) = found
    payload = row["payload"].decode(errors="backslashreplace")
    shown = {name: value for name, value in row.items() if name != "payload"}
    show(row, as_json, lambda: [*(f"{name:15} {value}" for name, value in shown.items()), "payload", payload])


@failed.command("replay")
@_filters
@click.option("--fix", "fix_name", help="FILE.py:FUNCTION that takes the fields of an event and gives them fixed.")
@click.option("--dry-run", is_flag=True, help="Say what would pass now; write nothing.")
@click.option("--most", default=100_000, show_default=True, type=click.IntRange(1), help="So many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay_command(fix_name: str | None, dry_run: bool, most: int, as_json: bool, **given: object) -> None:
    """Send failed events through the flow again, here, and mark each with what came of it.

    An event keeps its event_id: one that was stored meanwhile, or is replayed twice, is still seen once. Exit status 1
    where some fail again.

    Example: shopstream-pipeline failed replay --reason missing_field --fix fixes.py:add_currency --dry-run
    """
    from .jobs import job_of
    from .replay import Choice, load_fix, replay
    from .replay import dry_run as try_out

    settings = settings_in_force()
    log_json()
    choice = Choice(_filter(given), most, load_fix(fix_name) if fix_name else None, fix_name)
    client = connect(settings)
    if dry_run:
        verdicts = try_out(client, settings, choice, utc_now)
    else:
        verdicts = replay(
            client,
            settings,
            choice,
            utc_now,
            job=lambda source: job_of(settings, source, utc_now, streaming=False),
            report=lambda done, of: click.echo(f"{done:,} of {of:,}", err=True),
        )
    passed, again = ("would pass", "would fail") if dry_run else ("stored", "failed")
    show(
        {"dry_run": dry_run, **vars(verdicts)},
        as_json,
        lambda: [
            f"{verdicts.passed:>10,}  {passed}",
            *(f"{count:>10,}  {again} again: {why}" for why, count in verdicts.failed.items()),
            *(f"{count:>10,}  left out: {why}" for why, count in verdicts.left_out.items()),
        ],
    )
    if verdicts.failed:
        sys.exit(ExitStatus.FOUND)
